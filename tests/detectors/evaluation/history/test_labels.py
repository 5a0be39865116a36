"""Known incidents compared with pages, and two lists of pages compared with each other."""

import math

import pytest

from detectors.evaluation.history.labels import Label, judge_labels
from detectors.evaluation.history.page_log import PagedEpisode, differences, weeks_of

HOUR = 3600.0


def run(
    opened: float,
    area: str | None = "login",
    ended: float = math.inf,
    inside: tuple[str, ...] = (),
    again: bool = False,
    tenant: str = "acme",
) -> PagedEpisode:
    """Return a paged episode; times are in hours."""
    return PagedEpisode(
        tenant=tenant,
        episode_id="e",
        opened=opened * HOUR,
        ended=ended * HOUR,
        scopes=[(opened * HOUR, area, inside)],
        again=again,
    )


def label(start: float, end: float, area: str | None = "login", tenant: str = "") -> Label:
    return Label(start=start * HOUR, end=end * HOUR, area=area, tenant=tenant)


@pytest.mark.parametrize(
    ("page", "delay"),
    [
        (run(10.5), 30.0),
        (run(12.9), 174.0),  # within the hour after the end
        (run(13.1), math.inf),
        (run(9.0, ended=9.5), math.inf),  # resolved before the incident began
        (run(9.0, ended=10.5), 0.0),  # already open
        (run(10.5, area="billing"), math.inf),
        (run(10.5, area=None, inside=("login", "billing")), 30.0),
        (run(10.5, area=None), 30.0),
        (run(10.5, area=None, inside=("billing",)), math.inf),
        (run(10.5, tenant="other"), math.inf),
        (run(10.5, again=True), 30.0),
    ],
)
def test_a_label_is_found_by_the_first_page_about_it(page: PagedEpisode, delay: float) -> None:
    judged = judge_labels([label(10.0, 12.0, tenant="acme")], [page], 0.0, 100 * HOUR)
    assert judged.met[0].delay == pytest.approx(delay)
    assert judged.met[0].before == (delay == 0.0)


def test_precision_recall_and_delays() -> None:
    labels = [label(10, 12), label(20, 22, "billing"), label(30, 31, None), label(40, 41, "api")]
    runs = [run(10.1, ended=12), run(15.0, ended=16), run(20.5, "billing", 21),
            run(30.2, "search", 31), run(30.4, "search", 32, again=True)]  # fmt: skip
    judged = judge_labels(labels, runs, 0.0, 100 * HOUR)
    assert [round(one.delay, 3) for one in judged.met] == [6.0, 30.0, 12.0, math.inf]
    assert (judged.recall.hits, judged.recall.of) == (3, 4)
    assert (judged.precision.hits, judged.precision.of) == (
        3,
        4,
    )  # a reopened episode is no new page
    assert round(judged.delay(0.5), 3) == 12.0
    assert round(judged.delay(0.9), 3) == 30.0


def test_labels_outside_the_evaluated_time_are_left_out() -> None:
    labels = [label(1, 2), label(10, 12), label(200, 201)]
    judged = judge_labels(labels, [run(1.5, ended=2.5), run(11.0)], 5 * HOUR, 100 * HOUR)
    assert [one.label.start for one in judged.met] == [10 * HOUR]
    assert judged.outside == 2
    assert judged.precision.of == 1


def test_an_area_that_joins_a_page_later_is_found_at_that_time() -> None:
    page = run(10.2, "billing")
    page.scopes.append((10.8 * HOUR, None, ("billing", "login")))
    judged = judge_labels([label(10, 12)], [page], 0.0, 100 * HOUR)
    assert judged.met[0].delay == pytest.approx(48.0)


def test_pages_are_counted_by_week_and_area() -> None:
    runs = [run(1), run(2, "api"), run(3, again=True), run(170), run(171, None)]
    weeks = weeks_of(runs, 1.5 * HOUR, 340 * HOUR)
    assert weeks.by_week == (1, 2, 0)
    assert weeks.by_area == {"all of acme": 1, "api": 1, "login": 1}
    assert weeks.reopened == 1
    assert weeks.per_week == pytest.approx(3 / (338.5 / 168))


def test_two_lists_of_pages_are_compared_page_by_page() -> None:
    left = [run(10, ended=12), run(50, "api", 51), run(80, "api", 81)]
    right = [run(11.5, ended=12.5), run(30, "exports", 31), run(80.5, None, 82, ("api",))]
    found = differences(left, right)
    assert [(one.left and one.left.area, one.right and one.right.area) for one in found] == [
        ("login", "login"), (None, "exports"), ("api", None), ("api", None),
    ]  # fmt: skip
    assert found[0].later == pytest.approx(1.5 * HOUR)
    assert found[3].right is right[2]
    assert math.isnan(found[1].later)
    assert differences(left, left)
    assert all(one.later == 0.0 for one in differences(left, left))


def test_a_page_is_matched_to_the_nearest_page() -> None:
    left, right = [run(10, ended=10.5)], [run(7, ended=7.5), run(11, ended=11.5)]
    found = differences(left, right)
    assert [one.left is not None for one in found] == [False, True]
    assert found[1].right is right[1]
