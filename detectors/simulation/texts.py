"""Texts of simulated tickets, composed of phrases; the same seed gives the same texts."""

import random
from typing import Final

SUBJECTS: Final = (
    "{issue} in {area}", "{area}: {issue}", "{issue}", "Problem with {area}", "Help with {thing}",
    "{thing} does not work", "Question about {thing}",
)  # fmt: skip
OPENINGS: Final = (
    "Hello, since this morning", "Hi team, for some days", "Good afternoon, today", "Again",
    "After lunch", "Since the last change", "Our users tell us that", "As it seems,",
    "One of our colleagues says that", "On every attempt",
)  # fmt: skip
COMPLAINTS: Final = (
    "we get {issue} when we use {thing}", "{thing} ends with {issue}", "{thing} shows {issue}",
    "I see {issue} instead of {thing}", "{thing} stopped working: {issue}",
    "there is {issue} on the screen with {thing}", "nobody can use {thing} because of {issue}",
)  # fmt: skip
DETAILS: Final = (
    "It happens in version {version}.", "We use {version} on a laptop.",
    "Reloading the page does not help.", "Another browser shows the same.",
    "It worked last week.", "Only some of us see it.", "The message goes away after a while.",
    "We tried it three times.", "A colleague on {version} has it too.", "",
)  # fmt: skip
CLOSINGS: Final = (
    "Please have a look.", "Can you help us?", "This is urgent for us.", "Thank you.",
    "What should we do?", "When will it be fixed?", "",
)  # fmt: skip

THINGS: Final = {
    "login": ("the password form", "signing in", "my session", "the account page", "two factors"),
    "billing": ("the invoice", "our monthly bill", "a charge on the card", "the tax line"),
    "checkout": ("the cart", "paying an order", "the shipping step", "a discount"),
    "search": ("the search results", "a filter", "sorting the list", "finding a document"),
    "notifications": ("the reminder mail", "push messages", "the digest", "alerts on my phone"),
    "mobile app": ("the app on my tablet", "the start screen", "syncing offline", "the camera"),
    "reports": ("the quarterly chart", "a scheduled report", "the pivot table", "the dashboard"),
    "integrations": ("the calendar connector", "our crm link", "the webhook", "the plugin"),
    "permissions": ("my role", "access to a folder", "the admin rights", "a shared team"),
    "exports": ("the csv download", "exporting a table", "the pdf file", "the archive"),
    "api": ("the rest endpoint", "our client key", "a json answer", "the rate limit"),
    "onboarding": ("the first steps", "inviting members", "the tutorial", "setting up a workspace"),
}
ANYTHING: Final = ("the page", "a button", "the menu", "the form")


def write(
    rng: random.Random, area: str, issue: str, version: str, word: str | None = None
) -> tuple[str, str]:
    """Return the subject and the body of a ticket.

    Args:
        rng: The random generator.
        area: The product area.
        issue: The issue type.
        version: The app version.
        word: A word to insert into the body; None: no word.

    Example:
        >>> subject, body = write(random.Random(1), "login", "sso error", "4.2.1", "err_401_sso")
        >>> "err_401_sso" in body
        True
    """
    parts = {
        "area": area,
        "issue": issue,
        "version": version,
        "thing": rng.choice(THINGS.get(area, ANYTHING)),
    }
    body = [
        f"{rng.choice(OPENINGS)} {rng.choice(COMPLAINTS)}.",
        rng.choice(DETAILS),
        rng.choice(DETAILS),
        rng.choice(CLOSINGS),
    ]
    words = " ".join(part for part in body if part).format(**parts).split(" ")
    if word is not None:
        words.insert(rng.randrange(len(words)) if rng.random() < 0.9 else len(words), word)
    return rng.choice(SUBJECTS).format(**parts), " ".join(words)
