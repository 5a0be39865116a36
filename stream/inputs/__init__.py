"""Files and topics of tickets that a user has, as ticket events."""
