"""Writing of output so that a full disk or a closed pipe ends a command without a traceback."""

import errno
import io
import sys
from typing import Any

from stream.errors import UserError


class ClosedPipeError(Exception):
    """The program that read our standard output has ended, such as ``head`` after ten lines.

    It is not an `OSError`, because Typer turns a `BrokenPipeError` into exit code 1.
    """


class CheckedWriter(io.FileIO):
    """Binary file whose write errors are `UserError`, with the name of the file.

    After an error the rest of the output is discarded, so that Python does not report the same
    error again when it flushes the file at its exit.
    """

    def __init__(self, file: str | int, shown_name: str) -> None:
        """Open a file to write; an int is an open descriptor, which stays open."""
        super().__init__(file, "wb", closefd=not isinstance(file, int))
        self._shown_name = shown_name
        self._has_failed = False

    def write(self, data: Any) -> int | None:  # type: ignore[override]
        """Write data and return the number of bytes.

        Raises:
            UserError: The data cannot be written, for example because the disk is full.
            ClosedPipeError: Nobody reads the pipe any more.
        """
        if self._has_failed:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self._has_failed = True
            if error.errno == errno.EPIPE:
                raise ClosedPipeError(f"{self._shown_name} is closed") from None
            raise UserError(f"{self._shown_name} cannot be written: {error.strerror}") from None


def check_standard_output() -> None:
    r"""Replace ``sys.stdout`` by one with a `CheckedWriter` that can write any text.

    Characters that the terminal's encoding lacks are written as escapes such as ``\u0142``.
    """
    old = sys.stdout
    if old is None:  # closed by the caller; print does nothing then
        return
    old.flush()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(CheckedWriter(old.fileno(), "standard output")),
        encoding=old.encoding,
        errors="backslashreplace",
        line_buffering=old.isatty(),
    )
