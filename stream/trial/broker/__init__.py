"""Real single-node Apache Kafka on this machine."""
