"""The system's Chromium, for tests that need a real browser."""

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
"""Options without background traffic, and without the sandbox, which does not work as root."""


def chromium() -> str:
    """Return the path of Chromium, or fail the test with one sentence."""
    return str(program("chromium", package="chromium"))
