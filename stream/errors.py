"""What a user did or has to do, in one sentence; never a traceback."""


class UserError(Exception):
    """Something the user can mend; the text says what to do. The command ends with exit code 1."""
