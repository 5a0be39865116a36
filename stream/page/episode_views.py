"""Transitions, notifications and responses of each episode, in memory. No IO.

The number of episodes is bounded; the oldest resolved episodes are forgotten first.
"""

from dataclasses import dataclass, field
from typing import Final

from detectors.alerting.verdict_effects import VERDICTS
from detectors.alerting.verdict_handling import WITHDRAW
from detectors.state.tenant import TENANT_SERIES
from schemas.audit import AuditEntry
from schemas.codec import clean
from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from schemas.silence import Silence
from stream.escalations.plain_text import headline

MOST_STORIES: Final = 2_000
MOST_LINES: Final = 300
"""Maximum number of audit entries and events per episode; the first and the last are kept."""
WORDS: Final = 300


@dataclass(frozen=True, slots=True)
class Transition:
    """One event of an episode. Times are seconds since 1970."""

    sequence: int
    transition: str
    at: float
    severity: str
    text: str
    tickets: int
    customers: int
    observed: float
    expected: float


@dataclass(frozen=True, slots=True)
class Notification:
    """One entry of the audit trail, or one response of a person."""

    at: float
    kind: str
    receiver: str
    reason: str
    text: str
    by: str
    send: bool


@dataclass(slots=True)
class EpisodeView:
    """Data that the page shows of one episode."""

    event: EscalationEvent
    """Last event of the episode."""
    transitions: list[Transition] = field(default_factory=list)
    notifications: dict[str, Notification] = field(default_factory=dict)
    """Entries by id, so that repeats change nothing."""
    acknowledged_by: str = ""
    snoozed_until: float | None = None
    verdict: str = ""

    @property
    def running(self) -> bool:
        """Whether the episode is open."""
        return self.event.transition != "resolved"


class EpisodeViews:
    """All known episodes, by id.

    Example:
        >>> stories = EpisodeViews()
        >>> stories.running()
        {}
    """

    def __init__(self) -> None:
        """Create an empty set of episodes."""
        self.stories: dict[str, EpisodeView] = {}
        self.silences: dict[str, Silence] = {}
        self.forgotten = 0
        """Number of episodes that were forgotten."""
        self._early: dict[str, dict[str, Notification]] = {}
        """Notifications of episodes whose events were not read yet: topics are read in parallel."""
        self._answers: dict[str, dict[str, Feedback]] = {}

    def add_event(self, event: EscalationEvent) -> bool:
        """Add an escalation; return whether it is new."""
        data = event.data
        story = self.stories.get(data.episode_id)
        if story is None:
            self._make_room()
            story = self.stories[data.episode_id] = EpisodeView(event)
            story.notifications.update(self._early.pop(data.episode_id, {}))
            for answer in self._answers.pop(data.episode_id, {}).values():
                _apply(story, answer)
        elif any(one.sequence == data.sequence for one in story.transitions):
            return False
        if data.sequence >= story.event.data.sequence:
            story.event = event
        if event.transition == "reopened":
            story.acknowledged_by = ""
        story.transitions.append(
            Transition(
                data.sequence, event.transition, event.time.timestamp(), data.severity,
                headline(event), data.tickets, data.customers, data.observed, data.expected,
            )
        )  # fmt: skip
        story.transitions.sort(key=lambda one: one.sequence)
        if len(story.transitions) > MOST_LINES:
            del story.transitions[MOST_LINES // 2]
        return True

    def add_audit_entry(self, entry: AuditEntry) -> bool:
        """Add an entry of the audit trail; return whether it is new."""
        line = Notification(
            entry.at.timestamp(),
            entry.kind,
            clean(entry.receiver + (f" to {entry.address}" if entry.address else ""), WORDS),
            (entry.reason or "").replace("_", " "),
            clean(entry.detail, WORDS),
            clean(entry.by, WORDS),
            entry.send,
        )
        story = self.stories.get(entry.episode_id)
        lines = (
            story.notifications
            if story is not None
            else self._early.setdefault(entry.episode_id, {})
        )
        if entry.audit_id in lines:
            return False
        lines[entry.audit_id] = line
        if len(lines) > MOST_LINES:
            del lines[list(lines)[MOST_LINES // 2]]
        if len(self._early) > MOST_STORIES:
            del self._early[next(iter(self._early))]
        return story is not None

    def apply_feedback(self, answer: Feedback) -> bool:
        """Apply a person's response; return whether its episode is known."""
        story = self.stories.get(answer.episode_id)
        if story is None:
            early = self._answers.setdefault(answer.episode_id, {})
            early[answer.feedback_id] = answer
            if len(early) > MOST_LINES:
                del early[next(iter(early))]
            if len(self._answers) > MOST_STORIES:
                del self._answers[next(iter(self._answers))]
            return False
        _apply(story, answer)
        return True

    def add_silence(self, silence: Silence) -> None:
        """Add a new, changed or ended silence."""
        self.silences[silence.silence_id] = silence
        if len(self.silences) > MOST_STORIES:
            del self.silences[next(iter(self.silences))]

    def running(self) -> dict[tuple[str, str], EpisodeView]:
        """Return the open episode of each tenant and area, preferably one that paged."""
        found: dict[tuple[str, str], EpisodeView] = {}
        for story in self.stories.values():
            data = story.event.data
            if story.running:
                key = (data.tenant, data.product_area or TENANT_SERIES)
                if key not in found or data.suppressed is None:
                    found[key] = story
        return found

    def _make_room(self) -> None:
        if len(self.stories) < MOST_STORIES:
            return
        over = (key for key, story in self.stories.items() if not story.running)
        del self.stories[next(over, next(iter(self.stories)))]
        self.forgotten += 1


def _apply(story: EpisodeView, answer: Feedback) -> None:
    by = clean(answer.by, WORDS)
    if answer.action == "acknowledge":
        story.acknowledged_by = by
    elif answer.action == "snooze":
        story.snoozed_until = answer.until.timestamp() if answer.until is not None else None
    elif answer.action == "unsnooze":
        story.snoozed_until = None
    elif answer.action in VERDICTS:
        story.verdict = answer.action
    elif answer.action == WITHDRAW:
        story.verdict = ""
