"""Kafka clients: connections, topics, reading, partitioning, sending."""
