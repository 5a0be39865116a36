"""Simulated companies: their traffic, their incidents, and benign events."""
