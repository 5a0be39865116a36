"""A past decision once more: why it was made, why it was not, what a verdict would change."""
