"""Decisions whether a receiver is notified, with which message, and why."""
