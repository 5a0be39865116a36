"""JSON views for the browser: rows of areas, summaries and details of episodes."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from detectors.alerting.budget import budget_of
from detectors.foundation.timestamps import significant
from detectors.foundation.units import SECONDS_PER_HOUR
from detectors.state.tenant import Tenant
from schemas.escalation import Escalation
from stream.charts.vega import Moment, Span
from stream.escalations.follow import MATURE_HOURS
from stream.escalations.plain_text import explained, headline, render
from stream.escalations.severity_text import severity_in_words
from stream.notify.model.message import is_web
from stream.page.episode_views import EpisodeView, EpisodeViews
from stream.page.state_follower import Follower

SCORED_SECONDS: Final = 3600.0
"""Age in seconds from which a score is no longer shown."""
SPARK_HOURS: Final = 24
BEFORE: Final = 12 * SECONDS_PER_HOUR
"""Seconds before an episode at which its chart starts."""
AFTER: Final = SECONDS_PER_HOUR
"""Seconds after an episode at which its chart ends."""
MOST_SPARKS: Final = 200
AT_ONCE: Final = 200
"""Number of rows to build before other tasks run."""

Row = tuple[Any, ...]


class Rows:
    """Areas as rows, each with a stable number; the number of rows is bounded.

    A row contains: number, tenant, area, phase, customer-equivalents observed in the last hour,
    customer-equivalents expected per hour, score of the last ticket (null: none within the hour,
    or since an episode), threshold, total number of tickets, hours of warm-up left.
    """

    def __init__(self, most: int) -> None:
        """Limit the number of areas."""
        self._most = most
        self.numbers: dict[tuple[str, str], int] = {}
        self._keys: list[tuple[str, str]] = []
        self.omitted = 0
        """Number of areas without a row."""

    def key(self, number: int) -> tuple[str, str] | None:
        """Return the tenant and area of a number; None: the number is not in use."""
        return self._keys[number] if 0 <= number < len(self._keys) else None

    def admit(self, tenant: str, area: str) -> int | None:
        """Return the number of an area; None: there are too many areas."""
        key = (tenant, area)
        number = self.numbers.get(key)
        if number is None and len(self._keys) < self._most:
            number = self.numbers[key] = len(self._keys)
            self._keys.append(key)
        return number

    def choose(self, follower: Follower) -> list[tuple[str, str]]:
        """Assign numbers to all areas, or to the busiest if there are too many.

        Returns:
            The areas that have a number.
        """
        sizes = {
            (tenant.name, area): series.tickets
            for tenant in follower.tenants()
            for area, series in tenant.areas.items()
        }
        self.omitted = max(0, len(sizes) - self._most)
        if not self.omitted and len(self.numbers) == len(sizes):
            return []
        chosen = heapq.nlargest(self._most, sizes, key=lambda key: (sizes[key], key))
        staying = set(chosen)
        free = [self.numbers.pop(key) for key in list(self.numbers) if key not in staying]
        come = [key for key in chosen if key not in self.numbers]
        for key in come:
            if free:
                number = free.pop()
                self.numbers[key], self._keys[number] = number, key
            else:
                self.admit(*key)
        return come

    def of(self, follower: Follower, keys: Iterable[tuple[str, str]]) -> list[Row]:
        """Return the rows of the given areas, except those without a number."""
        by_tenant: dict[str, list[str]] = {}
        for tenant_name, area in keys:
            if self.admit(tenant_name, area) is not None:
                by_tenant.setdefault(tenant_name, []).append(area)
        rows = []
        for tenant_name, areas in by_tenant.items():
            tenant = follower.tenant(tenant_name)
            if tenant is not None:
                limits = follower.limits_of(tenant, areas)
                rows += [
                    _row(self.numbers[tenant_name, area], tenant, area, limit)
                    for area, limit in limits.items()
                ]
        return rows

    def in_parts(self, follower: Follower, keys: Sequence[tuple[str, str]]) -> Iterator[list[Row]]:
        """Yield the rows in batches, so that other tasks can run in between."""
        for begin in range(0, len(keys), AT_ONCE):
            yield self.of(follower, keys[begin : begin + AT_ONCE])


def _row(number: int, tenant: Tenant, area: str, limit: float) -> Row:
    series, clock = tenant.areas[area], tenant.clock or 0.0
    scored_at, score = series.last_score
    over = series.episode.resolved_at if series.episode is not None else 0.0
    lately = clock - scored_at <= SCORED_SECONDS and score > -90.0 and scored_at > over
    left = max(0.0, MATURE_HOURS - series.model.maturity_hours)
    return (
        number,
        tenant.name,
        area,
        series.phase,
        round(series.last_hour(clock), 1),
        significant(series.model.rate_at(clock), 3),
        round(max(score, 0.0), 1) if lately else None,
        round(limit, 1),
        series.tickets,
        round(left),
    )


def tenants(follower: Follower, names: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Return the clock and the alert budget of each tenant, or of the named tenants.

    ``late`` says that the tenant's tickets arrive too late to page; None: they do not.
    """
    rows = []
    late = follower.late_feeds()
    chosen = follower.tenants() if names is None else map(follower.tenant, sorted(names))
    for tenant in chosen:
        if tenant is None:
            continue
        clock = tenant.clock or 0.0
        rate, wrong, burn = budget_of(tenant, clock, follower.settings)
        rows.append(
            {
                "name": tenant.name,
                "clock": clock,
                "mode": "history" if tenant.in_history
                else "simulated" if tenant.simulated else "live",
                "areas": len(tenant.areas),
                "pages_per_week": rate,
                "false_pages_per_week": wrong,
                "budget": follower.settings.false_pages_per_week,
                "burn": significant(burn, 3),
                "late": str(late[tenant.name]) if tenant.name in late else None,
            }
        )  # fmt: skip
    return rows


def sparks(follower: Follower, rows: Rows, numbers: Iterable[int]) -> dict[str, Any]:
    """Return the observed and expected counts per hour of the last day, by area number.

    An observed count is null if it is no longer available.
    """
    counts = {}
    for number in list(numbers)[:MOST_SPARKS]:
        key = rows.key(number)
        tenant = follower.tenant(key[0]) if key is not None else None
        if key is None or tenant is None or key[1] not in tenant.areas:
            continue
        clock, series = tenant.clock or 0.0, tenant.areas[key[1]]
        hour = int(clock // SECONDS_PER_HOUR)
        observed = follower.timelines.hours(tenant, key[1], hour - SPARK_HOURS + 1, hour)
        hours = range(hour - SPARK_HOURS + 1, hour + 1)
        counts[str(number)] = {
            "observed": [round(observed[each], 1) if each in observed else None for each in hours],
            "expected": [
                significant(series.model.rate_at(each * SECONDS_PER_HOUR), 3) for each in hours
            ],
        }
    return counts


def summary(story: EpisodeView) -> dict[str, Any]:
    """Return the summary of one episode for a list."""
    event, data = story.event, story.event.data
    return {
        "id": data.episode_id,
        "tenant": data.tenant,
        "area": data.product_area,
        "product": data.product,
        "headline": headline(event),
        "severity": data.severity,
        "transition": event.transition,
        "running": story.running,
        "suppressed": data.suppressed,
        "since": data.since.timestamp(),
        "detected": data.detected_at.timestamp(),
        "time": event.time.timestamp(),
        "sequence": data.sequence,
        "tickets": data.tickets,
        "customers": data.customers,
        "ratio": data.ratio,
        "revenue": data.impact.revenue if data.impact is not None else None,
        "team": data.actions.team if data.actions is not None else None,
        "driver": explained(data.explanation[0]) if data.explanation else None,
        "acknowledged": story.acknowledged_by,
        "snoozed": story.snoozed_until,
        "verdict": story.verdict,
    }


def silences(stories: EpisodeViews) -> list[dict[str, Any]]:
    """Return all silences, including those that ended or have not started yet."""
    return [
        {
            "matchers": [str(matcher) for matcher in silence.matchers],
            "begins": silence.starts_at.timestamp(),
            "ends": silence.ends_at.timestamp(),
            "by": silence.by,
            "comment": silence.comment,
        }
        for silence in stories.silences.values()
    ]


def summaries(stories: EpisodeViews) -> list[dict[str, Any]]:
    """Return all episodes, open ones first, newest first within each group."""
    episodes = [summary(story) for story in stories.stories.values()]
    return sorted(
        episodes, key=lambda episode: (not episode["running"], -episode["since"], episode["id"])
    )


def story(view: EpisodeView) -> dict[str, Any]:
    """Return the details of one episode."""
    event, data = view.event, view.event.data
    return {
        **summary(view),
        "data": _shown(data),
        "page": render(event),
        "drivers": [explained(driver) for driver in data.explanation],
        "severity_in_words": severity_in_words(data.severity, data.severity_rule).capitalize(),
        "transitions": view.transitions,
        "notifications": sorted(
            view.notifications.values(), key=lambda notification: notification.at
        ),
    }


def _shown(data: Escalation) -> dict[str, Any]:
    """Return the data of an event, except links that are not http or https."""
    event_data: dict[str, Any] = data.model_dump(mode="json")
    for example in event_data["examples"]:
        if not is_web(example["url"]):
            example["url"] = None
    actions = event_data["actions"]
    if actions is not None:
        actions["runbook_is_link"] = is_web(actions["runbook"])
    return event_data


def moments_of_area(
    follower: Follower, tenant: Tenant, area: str, since: float, until: float
) -> list[Moment]:
    """Return the time series of an area or a whole tenant for a chart, in counts per hour."""
    limit = follower.limits_of(tenant, [area]).get(area)  # a whole tenant has no threshold
    return [
        Moment(
            stretch.at,
            stretch.seconds,
            stretch.observed * SECONDS_PER_HOUR / stretch.seconds,
            stretch.expected * SECONDS_PER_HOUR / stretch.seconds,
            stretch.low * SECONDS_PER_HOUR / stretch.seconds,
            stretch.high * SECONDS_PER_HOUR / stretch.seconds,
            stretch.score,
            limit,
        )
        for stretch in follower.timelines.stretches(tenant, area, since, until)
    ]


def moments_of_events(view: EpisodeView) -> list[Moment]:
    """Return a time series from the events alone, for use when that of the area is forgotten."""
    since = view.event.data.since.timestamp()
    points = [(since, 0.0, 0.0)]
    points += [
        (transition.at, transition.observed, transition.expected) for transition in view.transitions
    ]
    moments = []
    for (begin, observed_before, expected_before), (end, observed_by, expected_by) in pairwise(
        points
    ):
        seconds = end - begin
        if seconds <= 0.0:
            continue
        an_hour = SECONDS_PER_HOUR / seconds
        expected = max(0.0, expected_by - expected_before) * an_hour
        observed = max(0.0, observed_by - observed_before) * an_hour
        moments.append(Moment(begin, seconds, observed, expected, expected, expected))
    return moments


def spans(stories: EpisodeViews, tenant: str, area: str | None, until: float) -> Iterator[Span]:
    """Yield the episodes of an area, or the tenant-wide episodes if area is None, as spans."""
    for view in stories.stories.values():
        data = view.event.data
        if data.tenant == tenant and data.product_area == area:
            end = until if view.running else view.event.time.timestamp()
            label = (
                ""
                if data.suppressed is None
                else f" (suppressed: {data.suppressed.replace('_', ' ')})"
            )
            yield Span(data.since.timestamp(), end, data.episode_id[:8] + label)
