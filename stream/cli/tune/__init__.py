"""Commands to measure and configure detection."""
