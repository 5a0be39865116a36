"""The evidence of an episode: what explains it, what it costs, what to do about it."""
