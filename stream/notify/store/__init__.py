"""State of notify on Kafka."""
