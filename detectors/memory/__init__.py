"""Bounded memories of tickets and customers."""
