"""Responses of people: acknowledgements, verdicts, snoozes, silences."""
