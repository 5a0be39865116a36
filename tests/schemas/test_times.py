"""Bounds of the times in records: one range for all, in which nothing overflows."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import typer
from pydantic import ValidationError

from schemas.codec import read_feedback, read_record
from schemas.dead_letter import Rejected
from schemas.decoding.moments import LATEST
from schemas.feedback import Feedback
from schemas.signals import Ticket
from schemas.silence import Silence
from schemas.tick import Tick
from stream.cli.options import time, time_or_ago
from stream.errors import UserError
from stream.notify.dispatch.feedback_effects import feedback_in_words, snooze_end
from stream.notify.dispatch.silences import of_alertmanager
from stream.notify.responses.responses import answer

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
OUTSIDE = (
    "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "2100-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00",
)  # fmt: skip
FEEDBACK: dict[str, Any] = {
    "feedback_id": "f", "tenant": "acme", "episode_id": "0" * 32, "action": "expected_event",
    "by": "on-call", "at": "2026-03-02T09:00:00Z",
}  # fmt: skip
SILENCE: dict[str, Any] = {
    "silence_id": "s", "matchers": [{"name": "tenant", "value": "acme"}], "by": "on-call",
    "starts_at": "2026-03-02T09:00:00Z", "ends_at": "2026-03-02T10:00:00Z",
}  # fmt: skip


@pytest.mark.parametrize("at", OUTSIDE)
@pytest.mark.parametrize(
    ("model", "fields", "name"),
    [
        (Feedback, FEEDBACK, "at"),
        (Feedback, FEEDBACK, "until"),
        (Silence, SILENCE, "starts_at"),
        (Silence, SILENCE, "ends_at"),
        (Tick, {}, "now"),
    ],
)
def test_a_time_out_of_bounds_is_refused_with_a_sentence(
    model: Any, fields: dict[str, Any], name: str, at: str
) -> None:
    """Every reader of these records gets the same answer, so none of them overflows."""
    with pytest.raises(ValidationError, match="must be between 1970 and 2099"):
        model.model_validate_json(json.dumps({**fields, name: at}))


def test_a_verdict_out_of_bounds_becomes_a_dead_letter() -> None:
    """The worker refuses what notify cannot apply."""
    with pytest.raises(Rejected, match="until: must be between 1970 and 2099"):
        read_feedback(json.dumps({**FEEDBACK, "until": OUTSIDE[0]}).encode())


def test_a_response_out_of_bounds_is_refused_before_it_is_sent() -> None:
    """The command line, the API and Slack make responses with this function."""
    until = datetime.fromisoformat(OUTSIDE[0])
    with pytest.raises(UserError, match="until: must be between 1970 and 2099"):
        answer("0" * 32, "acme", "snooze", "on-call", now=NOW, until=until)


@pytest.mark.parametrize("parse", [time, time_or_ago])
@pytest.mark.parametrize("text", OUTSIDE)
def test_an_option_out_of_bounds_is_refused(parse: Any, text: str) -> None:
    """A time on the command line has the same bounds."""
    with pytest.raises(typer.BadParameter, match=r"1970|2099"):
        parse(text)


def test_the_last_time_within_bounds_can_be_used() -> None:
    """A response until the end of 2099 is put into words."""
    last = Feedback.model_validate_json(
        json.dumps({**FEEDBACK, "until": "2099-12-31T23:59:59-00:00"})
    )
    words = feedback_in_words(last, snooze_end(last, NOW.timestamp()))
    assert "until 2099-12-31 23:59 UTC" in words


@pytest.mark.parametrize("at", OUTSIDE)
def test_a_contract_that_never_ends_does_not_cost_the_ticket(at: str) -> None:
    """Systems write 9999-12-31 for never and 0001-01-01 for not set; the ticket counts."""
    ticket = {
        "ticket_id": "1",
        "created_at": "2026-03-02T09:00:00Z",
        "product_area": "login",
        "customer": {"id": "c", "renewal_at": at},
        "first_replied_at": at,
        "solved_at": at,
        "event_type": "solved",
    }
    signal = read_record(json.dumps(ticket).encode())
    assert isinstance(signal, Ticket)
    assert signal.renewal_at is None
    assert signal.handled is None


def test_a_silence_of_alertmanager_without_an_end_lasts_to_the_bound() -> None:
    """It must not be ignored, because the episode would page."""
    item = {
        "id": "s", "status": {"state": "active"}, "createdBy": "on-call", "comment": "",
        "matchers": [{"name": "tenant", "value": "acme", "isRegex": False}],
        "startsAt": "2026-03-02T09:00:00Z", "endsAt": "9999-12-31T23:59:59.000Z",
    }  # fmt: skip
    (silence,), invalid = of_alertmanager([item])
    assert invalid == 0
    assert silence.ends_at < LATEST
    assert silence.matches({"tenant": "acme"}, LATEST.timestamp() - 2.0)
