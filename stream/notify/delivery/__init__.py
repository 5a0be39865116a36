"""Delivery of messages: queues, retries, metrics."""
