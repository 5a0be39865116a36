"""Configuration from a TOML file, the environment, and the operator's policy files."""
