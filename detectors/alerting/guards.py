"""Guards that look at more than one series: silence of the source, heirs, breadth."""

import math
from collections.abc import Collection, Mapping
from typing import Final

from detectors.foundation.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from detectors.models import Model
from detectors.state.series import HEAT_HOURS, Series

LEAST_GAP_HOURS: Final = 1.0
LEAST_GAP_DUE: Final = 10.0
"""Customer-equivalents that must be missing before silence is laid on the source."""
GAP_DOUBT: Final = 12.0
"""-log of the chance of such silence that is beyond doubt."""
GAP_AGE_HOURS: Final = 168.0

HEIR_HOURS: Final = 336.0
"""An area younger than this may have inherited from others what they lost."""
HEIR_SHARE: Final = 0.6
"""Of its excess, that others must have lost since it was born."""
LOSS_DEVIATIONS: Final = 3.0


def is_feed_gap(model: Model, since: float, until: float) -> bool:
    """Whether no ticket of the whole tenant from *since* to *until* (seconds) can be no chance.

    Then the source was silent, not the customers: an outage of a feed is neither calm nor, when it
    is over, a spike. Changes nothing in *model*, the tenant's own.
    """
    hours = (until - since) / 3600.0
    if hours < LEAST_GAP_HOURS or model.maturity_hours < GAP_AGE_HOURS:
        return False
    expected = model.expected_between(since, until)
    variance = model.variance(hours)
    return expected >= LEAST_GAP_DUE and math.log1p(variance * expected) / variance >= GAP_DOUBT


def inherited_share(
    areas: Mapping[str, Series], heir: str, at: float, excess: float
) -> tuple[str, float] | None:
    """From which area a young one has inherited, and how much: renamed, retired or split ones.

    Args:
        areas: All of the tenant.
        heir: A young one whose score is over its limit.
        at: Now, seconds since 1970.
        excess: Customer-equivalents that it has more than expected since it was born.

    Returns:
        The area that lost most since then and the share of its level it lost, if the losses beyond
        chance of all areas explain the excess; else None.
    """
    young = areas[heir]
    hours = max(at / 3600.0 - young.born, 1.0)
    if hours > HEIR_HOURS or excess <= 0.0:
        return None
    lost, most, donor, share = 0.0, 0.0, "", 0.0
    for name, series in sorted(areas.items()):
        if name == heir or series.born > young.born:
            continue
        since = max(young.born * SECONDS_PER_HOUR, at - SECONDS_PER_DAY)
        expected, observed = series.expected_and_observed(since, at)
        loss = expected - observed
        if loss > LOSS_DEVIATIONS * math.sqrt(
            expected + series.model.variance(hours) * expected * expected
        ):
            lost += loss
            if loss > most:
                most, donor, share = loss, name, loss / expected
    return (donor, share) if donor and lost >= HEIR_SHARE * excess else None


def breadth(areas: Collection[Series], at: float, but: Collection[Series] = ()) -> float:
    """How far the areas of a tenant are above what is due, all but the one with most.

    In standard deviations of the weighted count of the last quarter of an hour, or of the last two
    hours, whichever is more. *but*: leave these out instead.
    """
    return max(_breadth(areas, at, but, which) for which in range(len(HEAT_HOURS)))


def _breadth(areas: Collection[Series], at: float, but: Collection[Series], which: int) -> float:
    excess, variance, top, top_variance = 0.0, 0.5, 0.0, 0.0
    for series in areas:
        if series in but:
            continue
        more, noise = series.heat(at, which)
        excess += more
        variance += noise
        if not but and more > top:
            top, top_variance = more, noise
    return (excess - top) / math.sqrt(variance - top_variance)
