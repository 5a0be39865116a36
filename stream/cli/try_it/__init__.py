"""Commands to try spikewatch with: demo, simulate, replay, broker."""
