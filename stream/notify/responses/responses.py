"""Records of people's responses and silences. Pure apart from random ids."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import ValidationError

from detectors.foundation.dimensions import DIMENSIONS
from schemas.feedback import Action, Feedback
from schemas.silence import MATCHED, Matcher, Silence
from stream.config.errors import nearest
from stream.config.values import duration_seconds
from stream.errors import UserError

LABELS: Final = frozenset((*MATCHED, *DIMENSIONS, "customer", "alertname"))
"""Labels of messages; see `stream.notify.model.message.labels_of`."""
LONGEST: Final = timedelta(days=366)


def duration(text: str) -> timedelta:
    """Parse a duration such as ``30m``, ``2h``, ``3d`` or ``1w``.

    Raises:
        UserError: The text is not a duration, or not between one second and one year.

    Example:
        >>> duration("90m")
        datetime.timedelta(seconds=5400)
    """
    try:
        seconds = duration_seconds(text)
    except ValueError as error:
        raise UserError(str(error)) from None
    if not 0.0 < seconds <= LONGEST.total_seconds():
        raise UserError(f"the duration {text!r} is not between one second and one year")
    return timedelta(seconds=seconds)


def answer(
    episode: str,
    tenant: str,
    action: Action,
    by: str,
    *,
    now: datetime,
    until: datetime | None = None,
    note: str | None = None,
    duplicate_of: str | None = None,
    identity: str = "",
) -> Feedback:
    """Return a person's response to an episode.

    Calls with the same identity make the same response; without an identity each response is new.

    Raises:
        UserError: A value is not valid.
    """
    if duplicate_of == episode:
        raise UserError("an episode cannot be a duplicate of itself")
    if until is not None and until <= now:
        raise UserError("until is in the past: give a later time")
    try:
        return Feedback(
            feedback_id=identity or secrets.token_hex(16),
            tenant=tenant,
            episode_id=episode,
            action=action,
            by=by,
            at=now,
            until=until,
            note=note,
            duplicate_of=duplicate_of,
        )
    except ValidationError as error:
        raise UserError(in_words(error)) from None


def silence(
    matchers: list[str], by: str, comment: str, *, now: datetime, ends_at: datetime
) -> Silence:
    """Return a silence that starts now.

    Raises:
        UserError: A matcher is not valid, or the end is in the past.
    """
    if ends_at <= now:
        raise UserError("the end of the silence is in the past: give a later time")
    try:
        parsed = tuple(Matcher.parse(text) for text in matchers)
        for matcher in parsed:
            if matcher.name not in LABELS:
                raise UserError(
                    f"{matcher.name}: there is no such label; {nearest(matcher.name, LABELS)}"
                )
        return Silence(
            silence_id=secrets.token_hex(8),
            matchers=parsed,
            starts_at=now,
            ends_at=ends_at,
            by=by,
            comment=comment,
        )
    except ValidationError as error:
        raise UserError(in_words(error)) from None
    except ValueError as error:
        raise UserError(str(error)) from None


def ended(silence: Silence, by: str, now: datetime) -> Silence:
    """Return a silence with its end set to now."""
    comment = f"{silence.comment} (ended by {by})".strip()[:1000]
    return silence.model_copy(update={"ends_at": now.astimezone(UTC), "comment": comment})


def in_words(error: ValidationError) -> str:
    """Describe the first problem of a validation error and its location."""
    details = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in details["loc"])
    message = details["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
