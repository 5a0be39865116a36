"""Answers of people in a file, one `Feedback` a line: what `escalations.feedback` would hold."""

from pathlib import Path

from schemas.codec import read_feedback
from schemas.dead_letter import Rejected
from schemas.signals import Verdict
from stream.errors import UserError


def read_verdicts(path: Path) -> list[Verdict]:
    """The answers in the file at *path* as signals, in the order of their times.

    Raises:
        UserError: The file or a line cannot be read.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(read_feedback(line))
        except Rejected as why:
            raise UserError(f"{path}, line {number}: {why.detail}") from None
    return sorted(found, key=lambda one: one.at)
