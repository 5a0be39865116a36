"""Seeded simulated tickets, for the demo and the tests."""
