"""What notify keeps on Kafka."""
