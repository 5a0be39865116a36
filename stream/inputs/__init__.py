"""Readers of the user's files and topics: tickets, verdicts, labels, histories."""
