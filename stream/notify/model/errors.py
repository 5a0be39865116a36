"""Errors of sending: temporary and permanent."""


class TryAgainError(Exception):
    """Temporary error: the provider may accept the message later.

    Attributes:
        after: Seconds that the provider asked to wait; None: it did not ask.
    """

    def __init__(self, text: str, after: float | None = None) -> None:
        """Create the error; its text must not contain a secret."""
        super().__init__(text)
        self.after = after


class RefusedError(Exception):
    """Permanent error: the provider will never accept the message; the text says why."""
