"""The state of a tenant that is restored after a restart."""
