"""Removal of personal data from text before it leaves the process that received it."""
