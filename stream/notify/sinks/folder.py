"""A folder on this machine: one text file for each message. For the demo, and for trying routes."""

import re
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from stream.notify.errors import RefusedError
from stream.notify.message import Message
from stream.notify.sinks.base import Handle, Options, Sink, cut_bytes


class FolderOptions(Options):
    """Where to."""

    path: str = Field(min_length=1, description="the folder; made if it is not there")


class Folder(Sink):
    """See the module."""

    kind = "folder"
    options = FolderOptions
    takes_address: ClassVar[bool] = True

    def __init__(self, name: str, options: FolderOptions, http: Any) -> None:
        """See `Sink`."""
        super().__init__(name, options, http)
        self._folder = Path(options.path)

    async def send(self, message: Message, handle: Handle) -> Handle:
        """Write the file; the same message again replaces it."""
        number = int(handle.get("number", "0")) + 1
        parts = (cut_bytes(self.name, 80), message.id, cut_bytes(message.address, 60))
        name = re.sub(r"[^\w.-]+", "-", "-".join(parts)).strip("-")
        links = [f"{text}: {url}" for text, url in message.links]
        head = [f"To: {message.address or self.name}", f"Why: {message.reason}", ""]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part = self._folder / f".{name}.part"
            text = "\n".join((*head, message.text, *links, ""))
            part.write_bytes(text.encode("utf-8", "replace"))
            part.replace(self._folder / f"{name}.txt")
        except OSError as error:
            raise RefusedError(f"{self._folder} cannot be written: {error.strerror}") from None
        return {"number": str(number)}

    async def check(self) -> str:
        """Whether it can be written."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RefusedError(f"{self._folder} cannot be made: {error.strerror}") from None
        return f"messages go to {self._folder}"
