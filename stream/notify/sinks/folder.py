"""Folder with one text file per message, for the demo and for trying out routes."""

import contextlib
import errno
import os
import re
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field

from stream.notify.model.errors import RefusedError, TryAgainError
from stream.notify.model.message import Message
from stream.notify.sinks.base import Handle, Options, Sink, cut_bytes


class FolderOptions(Options):
    """Folder for messages."""

    path: str = Field(
        min_length=1,
        description="Folder to write messages to, relative to the notification file; created if it "
        "does not exist.",
    )

    def at(self, folder: Path) -> Self:
        """Return the options with a relative path resolved against the folder of the file."""
        return self.model_copy(update={"path": str(folder / self.path)})


class Folder(Sink):
    """Sink that writes messages to one folder."""

    kind = "folder"
    options = FolderOptions
    takes_address: ClassVar[bool] = True

    def __init__(self, name: str, options: FolderOptions, http: Any) -> None:
        """Create the sink; see `Sink`."""
        super().__init__(name, options, http)
        self._folder = Path(options.path)

    async def send(self, message: Message, handle: Handle) -> Handle:
        """Write the message to a file; a retry replaces the file."""
        number = int(handle.get("number", "0")) + 1
        parts = (cut_bytes(self.name, 80), message.id, cut_bytes(message.address, 60))
        name = re.sub(r"[^\w.-]+", "-", "-".join(parts)).strip("-")
        links = [f"{text}: {url}" for text, url in message.links]
        head = [f"To: {message.address or self.name}", f"Reason: {message.reason}", ""]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part = self._folder / f".{name}.part"
            text = "\n".join((*head, message.text, *links, ""))
            part.write_bytes(text.encode("utf-8", "replace"))
            part.replace(self._folder / f"{name}.txt")
        except OSError as error:
            problem = f"{self._folder} cannot be written: {error.strerror}"
            if error.errno in (errno.ENOSPC, errno.EDQUOT):  # space may be freed
                raise TryAgainError(problem) from None
            raise RefusedError(problem) from None
        finally:
            with contextlib.suppress(OSError):
                (self._folder / f".{name}.part").unlink(missing_ok=True)
        return {"number": str(number)}

    async def check(self) -> str:
        """Check that the folder is writable or can be created, without creating it."""
        existing = self._folder
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
            raise RefusedError(f"{self._folder} cannot be created: {existing} is not writable")
        return f"messages will be written to {self._folder.absolute()}"
