"""Silences from spikewatch's own topic and from an Alertmanager."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from schemas.decoding.moments import LATEST
from schemas.silence import Matcher, Silence

_TIME: Final = TypeAdapter(AwareDatetime)


class Silences:
    """All known silences, active or not.

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
        """Create an empty set of silences."""
        self.version = 0
        """Number that changes whenever a silence changes."""
        self._ours: dict[str, Silence] = {}
        self._theirs: tuple[Silence, ...] = ()

    def set(self, silence: Silence) -> None:
        """Add, change or end a silence."""
        if self._ours.get(silence.silence_id) != silence:
            self._ours[silence.silence_id] = silence
            self.version += 1

    def apply_record(self, silence_id: str, value: bytes | None) -> bool:
        """Apply a record of the silences topic; return whether the record is valid."""
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
        new_silences = tuple(silences)
        if new_silences != self._theirs:
            self._theirs = new_silences
            self.version += 1

    def forget_ended(self, now: float) -> None:
        """Remove silences that ended before the given time, in seconds since 1970."""
        self._ours = {
            k: silence for k, silence in self._ours.items() if silence.ends_at.timestamp() > now
        }

    def holding(
        self, labels: Mapping[str, str], now: float, alerts: Iterable[Mapping[str, str]] = ()
    ) -> Silence | None:
        """Return the matching active silence that ends last; None: there is none.

        Args:
            labels: Current labels of the episode.
            now: Wall clock, seconds since 1970.
            alerts: Labels of the alerts that an Alertmanager has about the episode. They are those
                of the first message, so its silences must match them too; otherwise a person who
                silences our alert there would still be notified elsewhere.
        """
        matching = [silence for silence in self._ours.values() if silence.matches(labels, now)]
        matching += [
            silence
            for silence in self._theirs
            if any(silence.matches(each, now) for each in (labels, *alerts))
        ]
        return max(matching, key=lambda silence: silence.ends_at, default=None)

    def listed(self, now: float) -> list[Silence]:
        """Return the silences that are active or start later, sorted by their end."""
        not_ended = [silence for silence in (*self._ours.values(), *self._theirs)
                 if silence.ends_at.timestamp() > now]  # fmt: skip
        return sorted(not_ended, key=lambda silence: (silence.ends_at, silence.silence_id))


def of_alertmanager(response: list[Any]) -> tuple[list[Silence], int]:
    """Return the active silences in a response of Alertmanager, and the number of invalid ones.

    The response is that of ``GET /api/v2/silences``.

    Source: prometheus/alertmanager, api/v2/openapi.yaml, ``gettableSilences``.
    """
    silences, strange = [], 0
    for item in response:
        try:
            if item["status"]["state"] != "active":
                continue
            silences.append(_silence(item))
        except (KeyError, TypeError, ValidationError):
            strange += 1
    return silences, strange


def _silence(item: Mapping[str, Any]) -> Silence:
    return Silence(
        silence_id=str(item["id"])[:64],
        matchers=tuple(
            Matcher(
                name=matcher["name"],
                value=matcher["value"],
                is_regex=matcher["isRegex"],
                is_equal=matcher.get("isEqual", True),
            )
            for matcher in item["matchers"]
        ),
        starts_at=item["startsAt"],
        ends_at=min(_TIME.validate_python(item["endsAt"]), LATEST - timedelta(seconds=1)),
        by=str(item.get("createdBy") or "somebody")[:256],
        comment=str(item.get("comment") or "")[:1000],
        origin="alertmanager",
    )
