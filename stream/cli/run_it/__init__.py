"""Commands to set up and run the service: topics, config, send, and its processes."""
