"""Readers of the operator's files: taxonomy, playbook, announced events."""
