"""From scores to episodes: decision, lifecycle, tenant-wide episodes, budget, guards, verdicts."""
