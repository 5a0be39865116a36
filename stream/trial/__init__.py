"""Trials: the demo, the canary, and a local broker."""
