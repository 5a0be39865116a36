"""Test the views of episodes: any order of records, bounded memory, repeats ignored."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.feedback import Feedback
from stream.page import episode_views
from stream.page.episode_views import EpisodeViews
from tests.support.audit import AT, entry
from tests.support.escalations import EPISODE, UNSEEN, escalation


def answer(action: Any, **changes: Any) -> Feedback:
    data: dict[str, Any] = {
        "feedback_id": action,
        "tenant": "acme",
        "episode_id": EPISODE,
        "action": action,
        "by": "somebody",
        "at": AT,
    }
    return Feedback(**{**data, **changes})


@given(st.permutations(["event", "entry", "answer", "later"]))
def test_a_view_does_not_depend_on_the_order_of_topics(order: list[str]) -> None:
    stories = EpisodeViews()
    take = {
        "event": lambda: stories.add_event(escalation("opened")),
        "later": lambda: stories.add_event(escalation("updated", sequence=2, tickets=20)),
        "entry": lambda: stories.add_audit_entry(entry()),
        "answer": lambda: stories.apply_feedback(answer("acknowledge")),
    }
    for name in order:
        take[name]()
    (story,) = stories.stories.values()
    assert story.event.data.tickets == 20
    assert [transition.sequence for transition in story.transitions] == [1, 2]
    assert [message.receiver for message in story.notifications.values()] == ["on-call"]
    assert story.acknowledged_by == "somebody"
    assert list(stories.running()) == [("acme", "login")]


def test_repeated_records_are_ignored() -> None:
    stories = EpisodeViews()
    assert stories.add_event(escalation("opened"))
    assert not stories.add_event(escalation("opened"))
    assert stories.add_audit_entry(entry())
    assert not stories.add_audit_entry(entry())
    assert len(stories.stories[EPISODE].transitions) == 1


def test_a_reopened_episode_is_not_acknowledged() -> None:
    stories = EpisodeViews()
    stories.add_event(escalation("opened"))
    stories.apply_feedback(answer("acknowledge"))
    stories.add_event(escalation("resolved", sequence=2))
    assert stories.running() == {}
    stories.add_event(escalation("reopened", sequence=3))
    assert stories.stories[EPISODE].acknowledged_by == ""


def test_a_verdict_and_a_snooze_can_be_set_and_withdrawn() -> None:
    stories = EpisodeViews()
    stories.add_event(escalation("opened"))
    stories.apply_feedback(answer("snooze", until=AT + timedelta(hours=2)))
    stories.apply_feedback(answer("false_alarm"))
    story = stories.stories[EPISODE]
    assert story.snoozed_until == (AT + timedelta(hours=2)).timestamp()
    assert story.verdict == "false_alarm"
    stories.apply_feedback(answer("withdraw"))
    stories.apply_feedback(answer("unsnooze"))
    after = stories.stories[EPISODE]
    assert not after.verdict
    assert after.snoozed_until is None


def test_the_number_of_episodes_and_entries_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(episode_views, "MOST_STORIES", 20)
    monkeypatch.setattr(episode_views, "MOST_LINES", 10)
    stories = EpisodeViews()
    stories.add_event(escalation("opened", episode_id=f"{1:032x}"))
    for number in range(2, 100):
        stories.add_event(escalation("resolved", episode_id=f"{number:032x}"))
        stories.add_audit_entry(entry(number, episode_id=f"{number + 500:032x}"))
        stories.apply_feedback(answer("note", episode_id=f"{number + 900:032x}"))
    assert len(stories.stories) == 20
    assert f"{1:032x}" in stories.stories  # this episode is still open
    assert stories.forgotten == 79
    for number in range(100):
        stories.add_audit_entry(entry(number, episode_id=f"{1:032x}"))
        stories.add_event(escalation("updated", episode_id=f"{1:032x}", sequence=number + 2))
    story = stories.stories[f"{1:032x}"]
    assert len(story.notifications) <= 10
    assert len(story.transitions) <= 10
    assert story.transitions[0].sequence == 1
    assert story.transitions[-1].sequence == 101
    assert len(stories._early) <= 20
    assert len(stories._answers) <= 20


def test_invisible_characters_are_removed() -> None:
    stories = EpisodeViews()
    stories.add_event(escalation("opened"))
    stories.add_audit_entry(entry(detail=f"why{UNSEEN}", by=f"who{UNSEEN}"))
    (line,) = stories.stories[EPISODE].notifications.values()
    assert (line.text + line.by).isprintable()


def test_feedback_on_unknown_episodes_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(episode_views, "MOST_LINES", 10)
    stories = EpisodeViews()
    for number in range(100):
        stories.apply_feedback(answer("note", feedback_id=f"f{number}"))
        stories.apply_feedback(answer("note", feedback_id="again"))
    assert len(stories._answers[EPISODE]) <= 10
