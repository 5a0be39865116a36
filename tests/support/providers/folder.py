"""A folder that receives messages as files."""

from pathlib import Path
from typing import Self

from tests.support.providers.base import Provider


class Folder(Provider):
    """A folder into which messages are written; *path* is its path."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for file in self.path.iterdir() if self.path.exists() else ():
            self.must(file.suffix == ".txt", f"something is left over: {file.name}")
            self.must(len(file.name.encode()) <= 255, "a name of more than 255 bytes")
        assert not self.wrong, "\n".join(self.wrong)

    def read(self) -> list[str]:
        """Return all messages."""
        self.shown = [file.read_text(encoding="utf-8") for file in sorted(self.path.iterdir())]
        return self.shown
