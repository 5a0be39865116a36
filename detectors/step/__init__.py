"""One signal through one tenant: the order of the decisions."""
