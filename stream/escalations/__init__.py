"""Escalation events: following the topic, and writing them as text."""
