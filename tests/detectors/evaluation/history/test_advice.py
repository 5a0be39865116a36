"""Advice derived from a history, tested on constructed cases."""

import math

import pytest

from detectors.evaluation.history.advice import Point, advise, budget_of
from detectors.evaluation.history.backtest import AreaFacts
from detectors.evaluation.history.injection import Injected, Injection


def area(
    name: str,
    tickets: int = 1_000,
    rate: float = 1.0,
    coarse: bool = False,
    issues: tuple[tuple[str, float], ...] = (),
    known_dimensions: tuple[str, ...] = (),
) -> AreaFacts:
    return AreaFacts(
        tenant="acme",
        area=name,
        tickets=tickets,
        rate=rate,
        coarse=coarse,
        mature_hours=900.0,
        issue_types=issues,
        known_dimensions=known_dimensions,
    )


def played(name: str, multiple: float, delay: float, disturbed: bool = False) -> Injected:
    injection = Injection(
        kind="area",
        multiple=multiple,
        tenant="acme",
        area=name,
        number=0,
        start=0.0,
        seconds=86_400.0,
    )
    return Injected(injection=injection, slice=None, delay=delay, added=9, disturbed=disturbed)


def names(areas: tuple[AreaFacts, ...]) -> list[str]:
    return [one.area for one in areas]


def test_quiet_areas_with_a_common_prefix_are_merged() -> None:
    quiet = [area(name, 20, 0.002) for name in ("billing refunds", "billing taxes", "exports")]
    found = advise([*quiet, area("login")], [])
    assert names(found.quiet) == ["billing refunds", "billing taxes", "exports"]
    assert [names(group) for group in found.merge] == [["billing refunds", "billing taxes"]]


def test_a_large_area_is_split_if_its_issue_types_are_large_enough() -> None:
    issues = (("sso", 0.5), ("reset", 0.3), ("other", 0.05))
    small = [area("billing", 500), area("api", 400)]
    assert names(advise([area("login", 2_000, issues=issues), *small], []).split) == ["login"]
    assert advise([area("login", 500, issues=issues), *small], []).split == ()
    assert advise([area("login", 2_000, issues=issues[:1]), *small], []).split == ()
    assert advise([area("login", 2_000, issues=issues)], []).split == ()  # the only area


def test_blind_and_coarse_areas_are_listed() -> None:
    injected = [
        played("login", 3.0, math.inf), played("login", 10.0, 5.0),
        played("billing", 10.0, math.inf), played("billing", 10.0, 5.0),
        played("api", 10.0, math.inf, disturbed=True), played("api", 10.0, 5.0),
    ]  # fmt: skip
    found = advise(
        [area("login"), area("billing"), area("api"), area("mail", coarse=True)], injected
    )
    assert names(found.blind) == ["billing"]
    assert names(found.coarse) == ["mail"]


def test_catch_all_areas_are_left_out() -> None:
    found = advise([area("unclassified", 5, 0.001), area("__other__", 5, 0.001)], [])
    assert found.quiet == ()


def test_dimensions_are_those_known_of_any_area() -> None:
    found = advise(
        [
            area("login", known_dimensions=("region",)),
            area("api", known_dimensions=("channel", "region")),
        ],
        [],
    )
    assert found.dimensions == ("region", "channel")


def point(budget: float, found: float, median: float) -> Point:
    return Point(budget=budget, pages_a_week=budget, found=found, median=median)


@pytest.mark.parametrize(
    ("curve", "chosen"),
    [
        ([point(0.2, 0.5, 100), point(1, 0.5, 99), point(5, 0.52, 95)], 0.2),
        ([point(0.2, 0.5, 100), point(1, 0.65, 99), point(5, 0.67, 95)], 1),
        ([point(0.2, 0.9, 100), point(1, 0.9, 50), point(5, 0.9, 45)], 1),
        ([point(0.2, 0.3, math.inf), point(1, 0.32, math.inf), point(5, 0.5, 99)], 5),
        ([point(0.2, 0.5, 99), point(0.4, 0.56, 99), point(6.4, 0.7, 95)], 0.4),
        ([point(5, 0.9, 10), point(0.2, 0.9, 10)], 0.2),  # in any order
    ],
)
def test_the_chosen_budget_is_the_smallest_without_much_to_gain(
    curve: list[Point], chosen: float
) -> None:
    assert budget_of(curve).budget == chosen


def test_a_point_counts_missed_incidents_and_skips_disturbed_ones() -> None:
    injected = [
        played("a", 3.0, 10.0),
        played("a", 3.0, math.inf),
        played("a", 3.0, math.inf, True),
    ]
    found = Point.of(1.0, 0.5, injected)
    assert found.found == 0.5
    assert found.median == math.inf
