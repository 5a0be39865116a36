"""What operators decide: settings, taxonomy, playbook, severity rules."""
