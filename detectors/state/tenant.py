"""Mutable state of one tenant.

It consists of the event-time watermark, one series per product area, the weekly profile, the
remembered ticket ids, and recent pages with their verdicts.

`Tenant.encode` returns the tenant's own record; areas and remembered ids have separate records.
"""

from array import array
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from detectors.foundation import state_codec
from detectors.foundation.calendar import Calendar, Event
from detectors.foundation.state_codec import Integers
from detectors.memory.area_classifier import AreaClassifier
from detectors.memory.deduplication import Deduplicator
from detectors.models import Score
from detectors.models.seasonal_profile import Context, Profile
from detectors.models.tenant_shares import Shares
from detectors.policy.settings import Settings
from detectors.state.score_tail import ThresholdPool
from detectors.state.series import Series
from detectors.state.threshold import ComputedThreshold
from detectors.state.threshold_priors import KINDS, TABLE, Kind, Prior, rate_class
from schemas.signals import CANARY, OTHER, UNCLASSIFIED

TENANT_SERIES = ""
"""The key of the tenant's own series; no area has this key."""
LONGEST_EVENT_SECONDS: Final = 14.0 * 86_400.0
"""The longest duration of an expected event."""
MOST_PLACED: Final = 64
GUESSES_FADE: Final = 0.998
KNOWN_HOURS: Final = 336.0
"""An area that is not in the taxonomy becomes known at this age; it is known from the start if the
tenant was younger than this when the area first appeared."""


def _pools() -> dict[Kind, list[ThresholdPool]]:
    return {kind: [ThresholdPool() for _ in TABLE[kind]] for kind in KINDS}


class PageRecord(msgspec.Struct, array_like=True):
    """A page and the verdict on it; all effects of verdicts are computed from these records.

    Times are in seconds since 1970.
    """

    at: float
    episode_id: str
    verdict: str = ""
    """The current verdict; empty: none."""
    key: str = TENANT_SERIES
    """The key of the series that paged."""
    kind: Kind = "area"
    since: float = 0.0
    """Start of the window that paged."""
    ended: float = 0.0
    """When the episode was resolved; 0 while it is running."""
    peak_score: float = 0.0
    """The highest score of the episode."""
    shared_value: str = ""
    """The key of the dominant value of the episode's tickets; empty: none."""
    verdict_at: float = 0.0
    """The tenant's watermark when the verdict arrived."""
    until: float = 0.0
    """When the expected event ends; 0: with its episode."""
    duplicate_of: str = ""
    """The id of the episode of which this one is a duplicate; empty: none."""
    rebase_factors: dict[str, float] = {}
    """By series, the factor by which a new normal changed the level."""
    suppressed_at: float = 0.0
    """When a window that resembles this false alarm was last suppressed."""
    dismissed_at: float = 0.0
    """When a window that resembles this false alarm was last dismissed; windows that begin soon
    after that are scored normally."""
    is_on_calendar: bool = False
    """Whether the page, as an announced event, still excludes hours from learning."""
    doubt: float | None = None
    """The chance that the page is false, by its evidence; None while the episode is running."""
    step: float = 0.0
    """How much a false page raises the threshold of its series; `doubt` times that has raised it.
    """

    @property
    def event_end(self) -> float:
        """End of the expected event: as given in the verdict, else with its episode.

        The event ends after two weeks at the latest.
        """
        longest = self.since + LONGEST_EVENT_SECONDS
        return min(self.until or self.ended or longest, longest)


class ThresholdCheck(NamedTuple):
    """The comparison of a score with its threshold, and the outcome."""

    key: str
    kind: Kind
    at: float
    score: Score
    computed: ComputedThreshold
    bar: float
    """The score needed to page: the threshold, or more if the window resembled a false alarm."""
    outcome: Literal["below", "called_false", "announced", "one_area", "inherited", "crossed"]


class _Record(msgspec.Struct, array_like=True):
    clock: float
    minute: int
    in_history: bool
    simulated: bool
    live: bool
    born: int
    last_ticket: float
    profile: Profile
    shares: Shares
    pools: dict[Kind, list[ThresholdPool]]
    pages: list[PageRecord]
    placed: Integers
    guessed: float
    guessed_right: float
    whole: bytes
    overspent: float = 0.0
    active_hour: int = -1
    active_areas: tuple[int, int] = (0, 0)


class Tenant:
    """The mutable state of one tenant.

    Example:
        >>> tenant = Tenant("acme", Settings())
        >>> tenant.clock is None, list(tenant.areas)
        (True, [])
    """

    def __init__(self, name: str, settings: Settings) -> None:
        """Create a tenant without tickets."""
        self.name = name
        self.clock: float | None = None
        """The watermark: event time up to which all decisions are made, in seconds since 1970. It
        never moves back."""
        self.minute = 0
        """The last whole minute for which time-based decisions were made, minutes since 1970."""
        self.in_history = False
        self.simulated = False
        self.live = False
        """Whether the tenant ever had a live ticket; if so, simulated tickets are ignored."""
        self.born = 0
        """The first hour, hours since 1970."""
        self.last_ticket = 0.0
        """The time of the last ticket in any area, seconds since 1970."""
        self.areas: dict[str, Series] = {}
        self.running: set[str] = set()
        """Areas with a running episode; includes `TENANT_SERIES` if the tenant has one."""
        self.duplicates = Deduplicator()
        self.touched: set[str] = set()
        """Areas that changed since the owner last cleared this set."""
        self.profile = Profile()
        self.shares = Shares()
        self.pools = _pools()
        self.pages: list[PageRecord] = []
        """The pages of the last four weeks, the oldest first; pages with a verdict are kept for a
        quarter."""
        self.placed: Integers = array("Q")
        """Hashes of the last tickets that were classified by their words."""
        self.guessed = 0.0
        """Effective number of tickets with an area whose area was predicted before they were
        learned."""
        self.guessed_right = 0.0
        """Effective number of correct predictions among those (prequential evaluation)."""
        self.overspent = 0.0
        """False pages so far beyond the budget, weighted by the chance that they are false;
        negative: unspent pages."""
        self.active_hour = -1
        """The hour for which the active areas were last counted, hours since 1970."""
        self.active_areas = (0, 0)
        """Numbers of the active areas that are known and unknown."""
        self._classifier: AreaClassifier | None = None
        self._settings = settings
        self._whole: Series | None = None

    def start(self, at: float) -> None:
        """Start the tenant with its first ticket.

        Args:
            at: When the ticket was created, seconds since 1970.
        """
        self.clock, self.minute = at, int(at // 60)
        self.born = int(at // 3600)
        self.last_ticket = at
        self._whole = Series.starting("cusum_bank", self.context(TENANT_SERIES), at)

    @property
    def is_canary(self) -> bool:
        """Whether the tenant is simulated by the canary, and can never have live tickets."""
        return self.name.startswith(CANARY)

    @property
    def whole(self) -> Series:
        """The tenant's own series, which also learns the weekly profile of its areas."""
        if self._whole is None:
            raise RuntimeError(f"tenant {self.name!r} has no tickets yet: call start() first")
        return self._whole

    def series(self, key: str) -> Series:
        """Return the series of an area, or the tenant's own series for `TENANT_SERIES`."""
        return self.whole if key == TENANT_SERIES else self.areas[key]

    def touch(self, key: str) -> None:
        """Mark a series as changed; the tenant's own series is in the tenant's own record."""
        if key != TENANT_SERIES:
            self.touched.add(key)

    def admit(self, name: str, series: Series) -> None:
        """Add the series of an area.

        Args:
            name: The area.
            series: The series of the area.
        """
        series.named = self._settings.taxonomy.knows(name) or name == UNCLASSIFIED
        self.areas[name] = series

    def change(self, settings: Settings) -> None:
        """Apply new settings, including their taxonomy."""
        self._settings = settings
        for name, series in self.areas.items():
            self.admit(name, series)

    def knows(self, series: Series) -> bool:
        """Return whether an area is in the taxonomy or has existed too long to be an invented name.

        See `KNOWN_HOURS`.
        """
        if series.named:
            return True
        assert self.clock is not None
        is_young = self.clock / 3600.0 - series.born < KNOWN_HOURS
        return not series.shared and not (is_young and series.born - self.born >= KNOWN_HOURS)

    def records_peaks(self, series: Series) -> bool:
        """Return whether the thresholds of a series record its scores: outside episodes."""
        if series is self.whole:
            return not self.running
        return series.running is None and self.whole.running is None

    def context(self, area: str) -> Context:
        """Return the context of a series: its calendar, weekly profile and area."""
        return Context(
            calendar=self._calendar(area),
            profile=self.profile,
            area=area,
            tenant_born=self.born,
            teaches=area == TENANT_SERIES,
        )

    def refresh_calendar(self, area: str) -> None:
        """Give a series the current calendar; `TENANT_SERIES` means all series."""
        self.whole.model.update_context(self.context(TENANT_SERIES))
        for name in self.areas if area == TENANT_SERIES else (area,):
            self.areas[name].model.update_context(self.context(name))

    def _calendar(self, area: str) -> Calendar:
        """Return the calendar of the settings, extended by the expected events of an area."""
        calendar = self._settings.calendar
        expected_events = tuple(
            Event(
                name=page.episode_id,
                start=page.since,
                end=page.event_end,
                factor=1.0,
                areas=() if page.key == TENANT_SERIES else (page.key,),
            )
            for page in self.pages
            if page.is_on_calendar and page.key in (area, TENANT_SERIES)
        )
        if not expected_events:
            return calendar
        return msgspec.structs.replace(calendar, events=calendar.events + expected_events)

    def pool(self, kind: Kind, series: Series) -> tuple[ThresholdPool, Prior]:
        """Return the tenant's pool and the simulated prior for a kind of series and its level."""
        index = rate_class(series.model.level)
        return self.pools[kind][index], TABLE[kind][index]

    @property
    def classifier(self) -> AreaClassifier:
        """The classifier for tickets that name no area."""
        if self._classifier is None:
            learned = {
                name: series.usual_terms
                for name, series in self.areas.items()
                if name not in (UNCLASSIFIED, OTHER) and series.usual_terms.tickets > 0.0
            }
            self._classifier = AreaClassifier(learned)
        return self._classifier

    def learn_words(self, area: str, words: Sequence[str], *, tested: bool) -> None:
        """Learn the terms of a ticket.

        Args:
            area: The area of the ticket.
            words: The terms of the ticket.
            tested: Whether to predict the area first, to measure the accuracy of the classifier.
        """
        series = self.areas[area]
        if tested and area in self.classifier:
            guess, _ = self.classifier.guess(words)
            if guess:
                self.guessed = self.guessed * GUESSES_FADE + 1.0
                self.guessed_right = self.guessed_right * GUESSES_FADE + (guess == area)
        series.usual_terms.learn(words)
        series.usual_changed()
        if area in self.classifier:
            self.classifier.update(area, series.usual_terms)
        elif area not in (UNCLASSIFIED, OTHER):
            self._classifier = None  # rebuilt with this area on next use

    def remember_classified(self, ticket_hash: int) -> None:
        """Remember that a ticket was classified by its words."""
        if len(self.placed) >= MOST_PLACED:
            del self.placed[0]
        self.placed.append(ticket_hash)

    def copy(self) -> "Tenant":
        """Return an independent copy of the tenant."""
        assert self.clock is not None
        other = Tenant.restore(self.name, self.encode(), self._settings)
        for area, series in self.areas.items():
            copied = Series.restore(
                series.encode(), other.context(area), self._settings.model, self.clock
            )
            other.admit(area, copied)
        other.running = set(self.running)
        segments = (
            msgspec.structs.replace(s, hashes=s.hashes[:]) for s in self.duplicates.segments
        )
        other.duplicates = Deduplicator(segments)
        return other

    def encode(self) -> bytes:
        """Encode the tenant's own record; areas and remembered ids have separate records."""
        assert self.clock is not None
        return state_codec.encode(
            _Record(
                self.clock,
                self.minute,
                self.in_history,
                self.simulated,
                self.live,
                self.born,
                self.last_ticket,
                self.profile,
                self.shares,
                self.pools,
                self.pages,
                self.placed,
                self.guessed,
                self.guessed_right,
                self.whole.encode(),
                self.overspent,
                self.active_hour,
                self.active_areas,
            )
        )

    @classmethod
    def restore(cls, name: str, data: bytes, settings: Settings) -> "Tenant":
        """Restore a tenant from its own record, without its areas and remembered ids.

        Args:
            name: The name of the tenant.
            data: What `encode` returned.
            settings: The current settings.
        """
        record = state_codec.decode(data, _Record)
        self = cls(name, settings)
        self.clock, self.minute = record.clock, record.minute
        self.in_history, self.simulated = record.in_history, record.simulated
        self.live, self.born = record.live, record.born
        self.last_ticket = record.last_ticket
        self.profile, self.shares, self.pools = record.profile, record.shares, record.pools
        self.pages, self.placed = record.pages, record.placed
        self.guessed, self.guessed_right = record.guessed, record.guessed_right
        self.overspent = record.overspent
        self.active_hour, self.active_areas = record.active_hour, record.active_areas
        self._whole = Series.restore(
            record.whole, self.context(TENANT_SERIES), "cusum_bank", record.clock
        )
        if self._whole.running is not None:
            self.running.add(TENANT_SERIES)
        return self
