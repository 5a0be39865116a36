"""What every long-running process shares: health, metrics, traces, listeners."""
