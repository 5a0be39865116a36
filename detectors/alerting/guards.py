"""Guards that look at more than one series: feed gaps, inherited tickets, joint elevation."""

import math
from collections.abc import Collection, Mapping
from typing import Final

from detectors.foundation.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from detectors.models import Model
from detectors.state.series import HEAT_HOURS, Series

LEAST_GAP_HOURS: Final = 1.0
"""The shortest time without tickets that can be a feed gap."""
LEAST_GAP_DUE: Final = 10.0
"""The fewest expected customer-equivalents in a feed gap."""
GAP_DOUBT: Final = 12.0
"""Negative natural log of the probability of no ticket, from which a time is a feed gap."""
GAP_AGE_HOURS: Final = 168.0
"""A tenant whose model has learned from fewer hours than this never has feed gaps."""

HEIR_HOURS: Final = 336.0
"""An area younger than this may have inherited the tickets that other areas lost."""
HEIR_SHARE: Final = 0.6
"""Share of a young area's excess that other areas must have lost since it was first seen."""
LOSS_DEVIATIONS: Final = 3.0
"""Standard deviations below the expectation from which a loss is not attributed to chance."""


def is_feed_gap(model: Model, since: float, until: float) -> bool:
    """Return whether a time without any ticket of a tenant is too long to be due to chance.

    Such a gap is an outage of the feed. The baseline must not learn from it, and the return of
    tickets is not a spike.

    Args:
        model: The model of the tenant's own series; it is only read.
        since: Time of the last ticket, seconds since 1970.
        until: Time of the next ticket, seconds since 1970.
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
    """Return the area from which a young area inherited its tickets, and the inherited share.

    Areas are renamed, retired and split; one area then rises because others fall.

    Args:
        areas: All areas of the tenant by name.
        heir: The name of a young area whose score is above its threshold.
        at: Now, seconds since 1970.
        excess: Excess of the young area since it was first seen, in customer-equivalents.

    Returns:
        The area that lost the most since then and the share of its level that it lost, 0 to 1; None
        if the significant losses of all areas do not explain the excess.
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


def breadth(
    areas: Collection[Series],
    at: float,
    but: Collection[Series] = (),
    *,
    largest: int = 0,
) -> float:
    """Return the joint elevation of the areas of a tenant.

    Args:
        areas: The areas of the tenant.
        at: Now, seconds since 1970.
        but: Areas to leave out.
        largest: How many of the largest contributors to leave out, too.

    Returns:
        Standard deviations of the weighted count above its expectation, over the last quarter of an
        hour or the last two hours, whichever value is greater.
    """
    counted = [series for series in areas if series not in but]
    return max(_breadth(counted, at, which, largest) for which in range(len(HEAT_HOURS)))


def _breadth(counted: Collection[Series], at: float, which: int, largest: int) -> float:
    heats = sorted(series.heat(at, which) for series in counted)
    heats = heats[: max(len(heats) - largest, 0)]
    excess = sum(heat[0] for heat in heats)
    expected = sum(heat[2] for heat in heats)
    shared = next((series.model.shared_variance for series in counted), 0.0)
    variance = 0.5 + sum(heat[1] for heat in heats) + shared * expected * expected
    return excess / math.sqrt(variance)
