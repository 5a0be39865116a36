"""Readers of the operator's policy files: taxonomy, playbook, announced events."""
