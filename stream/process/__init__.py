"""Parts that all long-running processes share: health, metrics, traces, listeners."""
