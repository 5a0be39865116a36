"""The system's Chromium, for what has to be seen by a real browser."""

from typing import Final

from tests.support.programs import program

ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""No word to any host, and no sandbox where tests run as root."""


def chromium() -> str:
    """Its path; fails the test with one sentence where it cannot be had."""
    return str(program("chromium", package="chromium"))
