"""Silences that hold: ours from their topic, and those of an Alertmanager."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from schemas.silence import Matcher, Silence


class Silences:
    """All that were set; which of them hold depends on the time.

    Example:
        >>> from datetime import UTC, datetime
        >>> silences = Silences()
        >>> silences.set(Silence(
        ...     silence_id="s", matchers=(Matcher.parse("tenant=acme"),), by="on-call",
        ...     starts_at=datetime(2026, 3, 2, tzinfo=UTC),
        ...     ends_at=datetime(2026, 3, 3, tzinfo=UTC),
        ... ))
        >>> silences.holding({"tenant": "acme"}, 1_772_420_000.0).by
        'on-call'
    """

    def __init__(self) -> None:
        """None is set."""
        self.version = 0
        """Another one after each change."""
        self._ours: dict[str, Silence] = {}
        self._theirs: tuple[Silence, ...] = ()

    def set(self, silence: Silence) -> None:
        """Begin, change or end one."""
        if self._ours.get(silence.silence_id) != silence:
            self._ours[silence.silence_id] = silence
            self.version += 1

    def hear(self, silence_id: str, value: bytes | None) -> bool:
        """Take in a record of their topic; whether it can be read."""
        if value is None:
            self.forget(silence_id)
            return True
        try:
            self.set(Silence.model_validate_json(value))
        except ValidationError:
            return False
        return True

    def forget(self, silence_id: str) -> None:
        """Take one away."""
        if self._ours.pop(silence_id, None) is not None:
            self.version += 1

    def replace_alertmanagers(self, silences: Iterable[Silence]) -> None:
        """What an Alertmanager has now."""
        theirs = tuple(silences)
        if theirs != self._theirs:
            self._theirs = theirs
            self.version += 1

    def forget_ended(self, now: float) -> None:
        """Leave out what is over."""
        self._ours = {k: one for k, one in self._ours.items() if one.ends_at.timestamp() > now}

    def holding(self, labels: Mapping[str, str], now: float) -> Silence | None:
        """The one that holds longest for what has these *labels*."""
        held = [one for one in (*self._ours.values(), *self._theirs) if one.matches(labels, now)]
        return max(held, key=lambda one: one.ends_at, default=None)

    def listed(self, now: float) -> list[Silence]:
        """Those that hold or will, by their end."""
        found = [one for one in (*self._ours.values(), *self._theirs)
                 if one.ends_at.timestamp() > now]  # fmt: skip
        return sorted(found, key=lambda one: (one.ends_at, one.silence_id))


def of_alertmanager(found: list[Any]) -> tuple[list[Silence], int]:
    """The active silences in an answer of ``GET /api/v2/silences``, and how many are strange.

    Source: prometheus/alertmanager, api/v2/openapi.yaml, ``gettableSilences``.
    """
    silences, strange = [], 0
    for one in found:
        try:
            if one["status"]["state"] != "active":
                continue
            silences.append(_silence(one))
        except (KeyError, TypeError, ValidationError):
            strange += 1
    return silences, strange


def _silence(one: Mapping[str, Any]) -> Silence:
    return Silence(
        silence_id=str(one["id"])[:64],
        matchers=tuple(
            Matcher(
                name=matcher["name"],
                value=matcher["value"],
                is_regex=matcher["isRegex"],
                is_equal=matcher.get("isEqual", True),
            )
            for matcher in one["matchers"]
        ),
        starts_at=one["startsAt"],
        ends_at=one["endsAt"],
        by=str(one.get("createdBy") or "somebody")[:256],
        comment=str(one.get("comment") or "")[:1000],
        origin="alertmanager",
    )
