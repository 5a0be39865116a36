"""The evidence of an episode: its drivers, its impact, and the recommended actions."""
