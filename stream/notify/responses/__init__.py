"""What people answer: acknowledgements, verdicts, snoozes, silences."""
