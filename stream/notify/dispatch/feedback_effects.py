"""Effects of a person's response on the thread of a receiver, and its wording in messages."""

from typing import Final

from detectors.alerting.verdict_handling import EFFECTS
from schemas.feedback import Feedback
from stream.notify.dispatch.audit_entries import moment
from stream.notify.model.threads import ReceiverThread

SNOOZE_SECONDS: Final = 3_600.0
"""Duration of a snooze without an end."""
LONGEST_SNOOZE_SECONDS: Final = 366 * 86_400.0


def snooze_end(feedback: Feedback, now: float) -> float:
    """Return the end of a snooze.

    Args:
        feedback: The response; without ``until`` the snooze lasts `SNOOZE_SECONDS`.
        now: Wall clock, seconds since 1970.

    Returns:
        Seconds since 1970, at most `LONGEST_SNOOZE_SECONDS` from now.
    """
    requested = feedback.until.timestamp() if feedback.until is not None else 0.0
    return min(requested or feedback.at.timestamp() + SNOOZE_SECONDS, now + LONGEST_SNOOZE_SECONDS)


def apply_feedback(thread: ReceiverThread, feedback: Feedback, until: float) -> None:
    """Apply a response to the thread of a receiver.

    Args:
        thread: The thread; modified in place.
        feedback: The response.
        until: End of the snooze, seconds since 1970; used only for a snooze.
    """
    if feedback.action == "acknowledge":
        thread.acknowledged_by = feedback.by
    elif feedback.action == "snooze":
        thread.snoozed_until, thread.snoozed_by = until, feedback.by
    elif feedback.action == "unsnooze":
        thread.snoozed_until = 0.0


def feedback_in_words(feedback: Feedback, until: float) -> str:
    """Describe a response: the action, its author, the note and the effect of a verdict.

    Args:
        feedback: The response.
        until: End of the snooze, seconds since 1970; used only for a snooze.
    """
    words = feedback.action.replace("_", " ")
    if feedback.action == "snooze":
        words += f" until {moment(until):%Y-%m-%d %H:%M} UTC"
    if feedback.duplicate_of:
        words += f" {feedback.duplicate_of}"
    if feedback.action == "expected_event" and feedback.until is not None:
        words += f" until {moment(feedback.until.timestamp()):%Y-%m-%d %H:%M} UTC"
    words += f" by {feedback.by}"
    words = f"{words}: {feedback.note}" if feedback.note else words
    effect = EFFECTS.get(feedback.action)
    return f"{words} ({effect})" if effect else words
