"""Escalation events: following the topic, and rendering as text."""
