"""Generators and checks of the published schemas; nothing imports them at run time."""
