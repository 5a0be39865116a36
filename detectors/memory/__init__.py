"""Bounded stores of recent tickets and customers."""
