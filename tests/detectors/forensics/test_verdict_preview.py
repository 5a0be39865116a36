"""What a verdict would have changed, also where the log has another one on the same page."""

from detectors.forensics.redecide import LoggedSignal
from detectors.forensics.verdict_preview import preview
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from schemas.signals import Ticket, Verdict
from tests.support.companies import HOUR, MONDAY, WEEK, TenantFeed

AT = MONDAY + 3 * WEEK + 10 * HOUR
SETTINGS = Settings()


def test_a_verdict_replaces_what_the_log_says_of_its_page() -> None:
    """Called a true page then: the like a week later paged; called false instead, it had not."""
    desk, log = TenantFeed(SETTINGS, Tenant("acme", SETTINGS)), list[LoggedSignal]()

    def take(signal: Ticket | Verdict) -> None:
        log.append(LoggedSignal(f"{len(log)}", signal))
        desk.take(signal)

    def quiet(begin: float, end: float) -> None:
        for number in range(int((end - begin) // HOUR)):
            take(desk.make(begin + number * HOUR, mode="simulated"))

    def batch(at: float) -> None:
        for number in range(30):
            take(desk.make(at + 30.0 * number, mode="simulated", channel="batch"))

    quiet(MONDAY, AT)
    batch(AT)
    first = desk.pages[0].data.episode_id
    take(Verdict("acme", first, "incident", AT + HOUR))
    quiet(AT + HOUR, AT + WEEK)
    batch(AT + WEEK)
    found = preview(log, SETTINGS, first, Verdict("", "", "false_alarm", AT + HOUR))
    assert found is not None
    later = [event.data.episode_id for event in desk.pages if event.data.episode_id != first]
    assert later
    assert [event.data.episode_id for event in found.without] == later
    assert found.with_it == []
