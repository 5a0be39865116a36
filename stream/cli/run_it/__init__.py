"""Commands to run and prepare the service: topics, config, send, and its processes."""
