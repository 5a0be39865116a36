"""Faust, adapted to chunks of records and to our own durable offsets."""
