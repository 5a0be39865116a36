"""Errors whose text says what happened and what to do; shown without a traceback."""

from collections.abc import Iterable


class UserError(Exception):
    """A problem that the user can fix; the text says how. The command exits with code 1."""


class ConfigError(Exception):
    """An invalid configuration; the text has one mistake per line. The command exits with code 2.

    Attributes:
        mistakes: Lines of the form ``where: section.key: what is wrong and what is allowed``.
    """

    def __init__(self, mistakes: Iterable[str]) -> None:
        """Keep the mistakes in the order given."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))
