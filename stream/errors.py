"""Errors whose text says in a sentence what happened and what to do; never shown as a traceback."""

from collections.abc import Iterable


class UserError(Exception):
    """A problem that the user can fix; the text says how. The command ends with exit code 1."""


class ConfigError(Exception):
    """A configuration that cannot be used; its text has one mistake per line. Exit code 2.

    Attributes:
        mistakes: The lines, each ``where: section.key: what is wrong and what is allowed``.
    """

    def __init__(self, mistakes: Iterable[str]) -> None:
        """Keep the mistakes in the order in which they are to be read."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))
