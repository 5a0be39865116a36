"""Commands to respond to episodes: ack, snooze, silence, verdict, note."""
