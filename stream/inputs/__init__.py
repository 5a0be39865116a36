"""Readers of the files and topics that a user has: tickets, verdicts, labels, histories."""
