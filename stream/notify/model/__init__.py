"""Messages and the stored state of notifications."""
