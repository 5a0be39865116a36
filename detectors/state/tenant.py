"""What must be decided together: one company's clock, areas, shape of the week, what came."""

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
from detectors.state.series import Series
from detectors.state.threshold import ComputedThreshold, ThresholdPool
from detectors.state.threshold_priors import KINDS, TABLE, Kind, Prior, rate_class
from schemas.signals import OTHER, UNCLASSIFIED

TENANT_SERIES = ""
"""The key of the tenant's own series; no area has it."""
LONGEST_EVENT_SECONDS: Final = 14.0 * 86_400.0
MOST_PLACED: Final = 64
GUESSES_FADE: Final = 0.998
KNOWN_HOURS: Final = 336.0
"""An area that nobody named is known after so long; or if the tenant was younger when it came."""


def _pools() -> dict[Kind, list[ThresholdPool]]:
    return {kind: [ThresholdPool() for _ in TABLE[kind]] for kind in KINDS}


class PageRecord(msgspec.Struct, array_like=True):
    """A page that went out, and what people said of it: all that verdicts do follows from these.

    Times are seconds since 1970.
    """

    at: float
    episode_id: str
    verdict: str = ""
    """What people said of it; empty: nothing yet."""
    key: str = TENANT_SERIES
    """Of the series that paged."""
    kind: Kind = "area"
    since: float = 0.0
    """When its window began."""
    ended: float = 0.0
    """When its episode was resolved; 0 while it runs."""
    peak_score: float = 0.0
    """The highest score of its episode."""
    shared_value: str = ""
    """The value (dimension, 31, value) that its tickets shared; empty: none in particular."""
    verdict_at: float = 0.0
    """When the verdict was heard, by the tenant's clock."""
    until: float = 0.0
    """When an expected event ends; 0: with its episode."""
    duplicate_of: str = ""
    rebase_factors: dict[str, float] = {}
    """Key of a series -> factor of its level, where it was called the new normal."""
    suppressed_at: float = 0.0
    """When its like was last held back."""
    dismissed_at: float = 0.0
    """When its like was last held back, and forgotten: what begins soon after is another thing."""
    is_on_calendar: bool = False
    """Whether its stretch, as an announced event, still keeps hours from teaching."""

    @property
    def event_end(self) -> float:
        """When it ends as an expected event: as said, else with its episode; within two weeks."""
        longest = self.since + LONGEST_EVENT_SECONDS
        return min(self.until or self.ended or longest, longest)


class ThresholdCheck(NamedTuple):
    """One score that was held against its limit, and what came of it."""

    key: str
    kind: Kind
    at: float
    score: Score
    computed: ComputedThreshold
    bar: float
    """What it had to reach: the limit, or more where its like was called false."""
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


class Tenant:
    """The working state of one tenant.

    Example:
        >>> tenant = Tenant("acme", Settings())
        >>> tenant.clock is None, list(tenant.areas)
        (True, [])
    """

    def __init__(self, name: str, settings: Settings) -> None:
        """A tenant nothing was heard of yet."""
        self.name = name
        self.clock: float | None = None
        """Event time up to which everything is decided, seconds since 1970; never goes back."""
        self.minute = 0
        """The last whole minute on which time alone decided."""
        self.in_history = False
        self.simulated = False
        self.live = False
        """Whether a live ticket ever came: from then on no simulated one may move its clock."""
        self.born = 0
        """The first hour."""
        self.last_ticket = 0.0
        """When the last one came, in any area."""
        self.areas: dict[str, Series] = {}
        self.running: set[str] = set()
        """Areas whose episode runs; `TENANT_SERIES` where the tenant's does."""
        self.duplicates = Deduplicator()
        self.touched: set[str] = set()
        """Areas changed since the owner last cleared this."""
        self.profile = Profile()
        self.shares = Shares()
        self.pools = _pools()
        self.pages: list[PageRecord] = []
        """Of the last four weeks, oldest first; those with a verdict for a quarter."""
        self.placed: Integers = array("Q")
        """Marks of the last tickets whose area was told by their words."""
        self.guessed = 0.0
        """Tagged tickets whose area was guessed before it was learned from, faded ..."""
        self.guessed_right = 0.0
        """... and how many of them rightly: prequential accuracy."""
        self._placer: AreaClassifier | None = None
        self._settings = settings
        self._whole: Series | None = None

    def start(self, at: float) -> None:
        """The first ticket came *at*."""
        self.clock, self.minute = at, int(at // 60)
        self.born = int(at // 3600)
        self.last_ticket = at
        self._whole = Series.starting("cusum_bank", self.context(TENANT_SERIES), at)

    @property
    def whole(self) -> Series:
        """The tenant as a series of its own; it makes the profile of its areas."""
        if self._whole is None:
            raise RuntimeError(f"tenant {self.name!r}: no ticket was taken in yet")
        return self._whole

    def series(self, key: str) -> Series:
        """The series of the area *key*, or of the tenant as a `TENANT_SERIES`."""
        return self.whole if key == TENANT_SERIES else self.areas[key]

    def admit(self, name: str, series: Series) -> None:
        """*series* is that of the area *name* from here on."""
        series.named = self._settings.taxonomy.knows(name) or name == UNCLASSIFIED
        self.areas[name] = series

    def change(self, settings: Settings) -> None:
        """From here on know the areas that *settings* know."""
        self._settings = settings
        for name, series in self.areas.items():
            self.admit(name, series)

    def knows(self, series: Series) -> bool:
        """Whether an area is more than a name that somebody made up lately."""
        if series.named:
            return True
        assert self.clock is not None
        young = self.clock / 3600.0 - series.born < KNOWN_HOURS
        return not series.shared and not (young and series.born - self.born >= KNOWN_HOURS)

    def context(self, area: str) -> Context:
        """What a series of this tenant is told of the world around it."""
        return Context(
            calendar=self._calendar(area),
            profile=self.profile,
            area=area,
            tenant_born=self.born,
            teaches=area == TENANT_SERIES,
        )

    def refresh_calendar(self, area: str) -> None:
        """Tell the series *area* (`TENANT_SERIES`: all) what its calendar says by now."""
        self.whole.model.update_context(self.context(TENANT_SERIES))
        for name in self.areas if area == TENANT_SERIES else (area,):
            self.areas[name].model.update_context(self.context(name))

    def _calendar(self, area: str) -> Calendar:
        """That of the settings, and what people called an expected event in *area*."""
        calendar = self._settings.calendar
        said = tuple(
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
        if not said:
            return calendar
        return msgspec.structs.replace(calendar, events=calendar.events + said)

    def pool(self, kind: Kind, rate: float) -> tuple[ThresholdPool, Prior]:
        """What series of that kind and rate have shown here, and what the table expects of them."""
        place = rate_class(rate)
        return self.pools[kind][place], TABLE[kind][place]

    @property
    def classifier(self) -> AreaClassifier:
        """The words of its areas, to place tickets that say none."""
        if self._placer is None:
            learned = {
                name: series.usual_terms
                for name, series in self.areas.items()
                if name not in (UNCLASSIFIED, OTHER) and series.usual_terms.tickets > 0.0
            }
            self._placer = AreaClassifier(learned)
        return self._placer

    def learn_words(self, area: str, words: Sequence[str], *, tested: bool) -> None:
        """A ticket of *area* has these *words*; *tested*: guess first, to know how good that is."""
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
            self._placer = None  # made anew with it

    def remember_classified(self, ticket_hash: int) -> None:
        """The ticket with that *mark* was placed by its words."""
        if len(self.placed) >= MOST_PLACED:
            del self.placed[0]
        self.placed.append(ticket_hash)

    def copy(self) -> "Tenant":
        """A tenant of the same past that goes its own way."""
        assert self.clock is not None
        other = Tenant.restore(self.name, self.encode(), self._settings)
        for area, series in self.areas.items():
            twin = Series.restore(
                series.encode(), other.context(area), self._settings.model, self.clock
            )
            other.admit(area, twin)
        other.running = set(self.running)
        segments = (
            msgspec.structs.replace(s, hashes=s.hashes[:]) for s in self.duplicates.segments
        )
        other.duplicates = Deduplicator(segments)
        return other

    def encode(self) -> bytes:
        """The tenant's own record; its areas and segments have records of their own."""
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
            )
        )

    @classmethod
    def restore(cls, name: str, data: bytes, settings: Settings) -> "Tenant":
        """The tenant that `encode` gave *data* for, without its areas and segments."""
        record = state_codec.decode(data, _Record)
        self = cls(name, settings)
        self.clock, self.minute = record.clock, record.minute
        self.in_history, self.simulated = record.in_history, record.simulated
        self.live, self.born = record.live, record.born
        self.last_ticket = record.last_ticket
        self.profile, self.shares, self.pools = record.profile, record.shares, record.pools
        self.pages, self.placed = record.pages, record.placed
        self.guessed, self.guessed_right = record.guessed, record.guessed_right
        self._whole = Series.restore(
            record.whole, self.context(TENANT_SERIES), "cusum_bank", record.clock
        )
        if self._whole.running is not None:
            self.running.add(TENANT_SERIES)
        return self
