"""Experiments on simulated companies, and their results."""
