"""Trying it out: the demo, the canary, and a local broker."""
