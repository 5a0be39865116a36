"""Generators of the reference pages and of the example configuration."""
