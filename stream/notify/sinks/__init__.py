"""Kinds of receivers. To add a kind, add a module here and a line to `SINKS`."""

from typing import Final

from stream.notify.sinks.alertmanager import Alertmanager
from stream.notify.sinks.apprise import Apprise
from stream.notify.sinks.base import Sink
from stream.notify.sinks.email import Email
from stream.notify.sinks.folder import Folder
from stream.notify.sinks.jira import Jira
from stream.notify.sinks.pagerduty import PagerDuty
from stream.notify.sinks.slack import Slack
from stream.notify.sinks.teams import Teams
from stream.notify.sinks.webhook import Webhook

SINKS: Final[dict[str, type[Sink]]] = {
    sink.kind: sink
    for sink in (PagerDuty, Alertmanager, Slack, Jira, Email, Teams, Webhook, Apprise, Folder)
}
