"""The preview of a verdict: what it would have changed, even if the log has another verdict."""

from detectors.forensics.redecide import LoggedSignal
from detectors.forensics.verdict_preview import preview
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from schemas.signals import Ticket, Verdict
from tests.support.companies import HOUR, MONDAY, WEEK, TenantFeed

AT = MONDAY + 3 * WEEK + 10 * HOUR
SETTINGS = Settings()


def test_a_previewed_verdict_replaces_the_one_in_the_log() -> None:
    """After an incident verdict a repeat pages; a false alarm verdict would suppress it."""
    feed, log = TenantFeed(SETTINGS, Tenant("acme", SETTINGS)), list[LoggedSignal]()

    def take(signal: Ticket | Verdict) -> None:
        log.append(LoggedSignal(f"{len(log)}", signal))
        feed.take(signal)

    def quiet(begin: float, end: float) -> None:
        for number in range(int((end - begin) // HOUR)):
            take(feed.make(begin + number * HOUR, mode="simulated"))

    def batch(at: float) -> None:
        for number in range(30):
            take(feed.make(at + 30.0 * number, mode="simulated", channel="batch"))

    quiet(MONDAY, AT)
    batch(AT)
    first = feed.pages[0].data.episode_id
    take(Verdict("acme", first, "incident", AT + HOUR))
    quiet(AT + HOUR, AT + WEEK)
    batch(AT + WEEK)
    found = preview(log, SETTINGS, first, Verdict("", "", "false_alarm", AT + HOUR))
    assert found is not None
    later = [event.data.episode_id for event in feed.pages if event.data.episode_id != first]
    assert later
    assert [event.data.episode_id for event in found.without] == later
    assert found.with_it == []
