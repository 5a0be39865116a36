"""Why something could not be sent."""


class TryAgainError(Exception):
    """The provider may take it later.

    Attributes:
        after: seconds that it asked us to wait, if it did.
    """

    def __init__(self, text: str, after: float | None = None) -> None:
        """Say what happened; never with a secret in it."""
        super().__init__(text)
        self.after = after


class RefusedError(Exception):
    """It will not be taken, however often it is tried; its text says why."""
