"""The number of examples that hypothesis tries, by profile.

There are three profiles: `dev` for `make check` (few examples, the same ones each time), `ci` for
`make test` and for pytest by itself, and `nightly` with ten times as many. Choose one with
``pytest --hypothesis-profile=NAME``.
"""

from typing import Final

from hypothesis import settings

USUAL: Final = 100
"""Examples of a test without a number of its own, in the profile `ci`."""
DEV: Final = 20
"""Most examples of any test in the profile `dev`."""
NIGHTLY: Final = 10


def register_profiles() -> None:
    """Register the profiles and load `ci`, without a deadline because machines may be busy."""
    settings.register_profile("dev", max_examples=DEV, derandomize=True, deadline=None)
    settings.register_profile("ci", max_examples=USUAL, derandomize=False, deadline=None)
    settings.register_profile("nightly", max_examples=NIGHTLY * USUAL, deadline=None)
    settings.load_profile("ci")


def examples(number: int) -> int:
    """Return how many examples to try where *number* is right for the profile `ci`."""
    profile = settings.get_current_profile_name()
    if profile == "dev":
        return min(number, DEV)
    return number * NIGHTLY if profile == "nightly" else number
