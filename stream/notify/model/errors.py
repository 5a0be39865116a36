"""Errors of sending: one that may go away, and one that will not."""


class TryAgainError(Exception):
    """The provider may accept the message later.

    Attributes:
        after: seconds that the provider asked to wait; None: it did not ask.
    """

    def __init__(self, text: str, after: float | None = None) -> None:
        """Create the error; *text* must not contain a secret."""
        super().__init__(text)
        self.after = after


class RefusedError(Exception):
    """The provider will not accept the message, however often it is tried; the text says why."""
