"""Active silences: spikewatch's own from their topic, and those of an Alertmanager."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from schemas.silence import Matcher, Silence


class Silences:
    """All known silences; which of them are active depends on the time.

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
        """Create it without any silence."""
        self.version = 0
        """Changes whenever a silence changes."""
        self._ours: dict[str, Silence] = {}
        self._theirs: tuple[Silence, ...] = ()

    def set(self, silence: Silence) -> None:
        """Start, change or end a silence."""
        if self._ours.get(silence.silence_id) != silence:
            self._ours[silence.silence_id] = silence
            self.version += 1

    def apply_record(self, silence_id: str, value: bytes | None) -> bool:
        """Apply a record of the topic of silences; return whether it can be read."""
        if value is None:
            self.forget(silence_id)
            return True
        try:
            self.set(Silence.model_validate_json(value))
        except ValidationError:
            return False
        return True

    def forget(self, silence_id: str) -> None:
        """Remove a silence."""
        if self._ours.pop(silence_id, None) is not None:
            self.version += 1

    def replace_alertmanagers(self, silences: Iterable[Silence]) -> None:
        """Replace the silences of the Alertmanager."""
        theirs = tuple(silences)
        if theirs != self._theirs:
            self._theirs = theirs
            self.version += 1

    def forget_ended(self, now: float) -> None:
        """Remove silences that ended before *now*, seconds since 1970."""
        self._ours = {k: one for k, one in self._ours.items() if one.ends_at.timestamp() > now}

    def holding(self, labels: Mapping[str, str], now: float) -> Silence | None:
        """Return the active silence that matches *labels* and ends last; None: there is none."""
        held = [one for one in (*self._ours.values(), *self._theirs) if one.matches(labels, now)]
        return max(held, key=lambda one: one.ends_at, default=None)

    def listed(self, now: float) -> list[Silence]:
        """Return the silences that are active or start later, sorted by their end."""
        found = [one for one in (*self._ours.values(), *self._theirs)
                 if one.ends_at.timestamp() > now]  # fmt: skip
        return sorted(found, key=lambda one: (one.ends_at, one.silence_id))


def of_alertmanager(found: list[Any]) -> tuple[list[Silence], int]:
    """Return the active silences in an answer of Alertmanager, and the number of invalid ones.

    The answer is that of ``GET /api/v2/silences``.

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
