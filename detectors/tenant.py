"""What must be decided together: one company's clock, baseline, areas, memory of what came."""

import msgspec

from detectors import state_codec
from detectors.baseline import LONGEST_GAP_HOURS, Baseline, Profile
from detectors.duplicates import Duplicates
from detectors.models import Shared
from detectors.series import Series
from detectors.settings import Settings


class _Record(msgspec.Struct, array_like=True):
    clock: float
    minute: int
    in_history: bool
    simulated: bool
    live: bool
    born: int
    profile: Profile
    baseline: Baseline


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
        self.areas: dict[str, Series] = {}
        self.running: set[str] = set()
        """Areas whose episode runs."""
        self.duplicates = Duplicates()
        self.touched: set[str] = set()
        """Areas changed since the owner last cleared this."""
        self.shared = Shared(settings.timezone, 0, Profile())
        self._baseline: Baseline | None = None

    def start(self, at: float) -> None:
        """The first ticket came *at*."""
        hour = int(at // 3600)
        self.clock, self.minute = at, int(at // 60)
        self.shared.born = hour
        self._baseline = Baseline.starting(hour)

    def advance(self, at: float) -> None:
        """Learn the hours of the tenant as a whole, up to *at*: they make its areas' profile."""
        baseline = self._known_baseline()
        hour = int(at // 3600)
        if hour <= baseline.hour:
            return
        if hour - baseline.hour > LONGEST_GAP_HOURS:
            baseline.skip_gap(hour)
        while baseline.hour < hour:
            baseline.advance_one(self.shared.timezone, self.shared.profile, None)

    def add(self, hour: int, weight: float) -> None:
        """One ticket somewhere in the tenant."""
        self._known_baseline().add(hour, weight)

    def learn_late(self, at: float, weight: float) -> None:
        """One that came too late to be scored."""
        baseline = self._known_baseline()
        hour = int(at // 3600)
        if not baseline.add(hour, weight):
            baseline.learn_late(hour, weight, self.shared.timezone)

    @property
    def rate(self) -> float:
        """Customer-equivalents an hour expected of the whole tenant."""
        return self._known_baseline().rate

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
                self.shared.born,
                self.shared.profile,
                self._known_baseline(),
            )
        )

    @classmethod
    def restore(cls, name: str, data: bytes, settings: Settings) -> "Tenant":
        """The tenant that `encode` gave *data* for, without its areas and segments."""
        record = state_codec.decode(data, _Record)
        self = cls(name, settings)
        self.clock, self.minute = record.clock, record.minute
        self.in_history, self.simulated = record.in_history, record.simulated
        self.live = record.live
        self.shared = Shared(settings.timezone, record.born, record.profile)
        self._baseline = record.baseline
        return self

    def _known_baseline(self) -> Baseline:
        if self._baseline is None:
            raise RuntimeError(f"tenant {self.name!r}: no ticket was taken in yet")
        return self._baseline
