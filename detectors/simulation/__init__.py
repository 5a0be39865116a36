"""Simulated tickets, generated from a seed, for the demo and the tests."""
