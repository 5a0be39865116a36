"""Configuration: the file, the environment, and the operator's own files."""
