"""Re-evaluate past decisions: why an area paged, why it did not, what a verdict would change."""
