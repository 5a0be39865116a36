"""The operator's files: taxonomy, playbook, calendar of events."""
