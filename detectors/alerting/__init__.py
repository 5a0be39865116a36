"""Turn scores into episodes: decisions, lifecycle, alert budget, guards, verdicts."""
