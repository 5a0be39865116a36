"""What operators configure: settings, taxonomy, playbook, severity rules."""
