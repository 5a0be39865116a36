"""Each sink together with the provider that it is tested against."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from stream.notify.sinks.alertmanager import Alertmanager
from stream.notify.sinks.apprise import Apprise
from stream.notify.sinks.base import Options, Sink
from stream.notify.sinks.email import Email
from stream.notify.sinks.folder import Folder
from stream.notify.sinks.jira import Jira
from stream.notify.sinks.pagerduty import PagerDuty
from stream.notify.sinks.safe_http import Http
from stream.notify.sinks.slack import Slack
from stream.notify.sinks.teams import Teams
from stream.notify.sinks.webhook import Webhook
from tests.support.providers import fakes as providers

LONG_NAME = "on-call, the second floor, 東京"
Make = Callable[[Any, str], Options]


@dataclass(frozen=True)
class Case:
    """A sink, its provider, and the options that connect them.

    Attributes:
        options: Returns the sink's options, given the provider and the secret to use.
        http: Whether the sink sends its requests by our own HTTP client.
        detects_bad_credentials: Whether `check` detects wrong credentials.
    """

    name: str
    sink: type[Sink]
    provider: Callable[[Path], providers.Provider]
    options: Make
    http: bool = True
    detects_bad_credentials: bool = True


def _pagerduty(at: Any, secret: str) -> Options:
    return PagerDuty.options(routing_key=SecretStr(secret), url=f"{at.url}/v2/enqueue")


def _slack(at: Any, secret: str) -> Options:
    return Slack.options(token=SecretStr(secret), channel="C0123456789", url=f"{at.url}/api")


def _slack_webhook(at: Any, secret: str) -> Options:
    right = at.webhook_path if secret == at.secret else f"/services/{secret}"
    return Slack.options(webhook_url=SecretStr(at.url + right))


def _jira(at: Any, secret: str) -> Options:
    url = f"{at.url}/jsm/ops/integration/v2/alerts"
    return Jira.options(api_key=SecretStr(secret), url=url, tags=("x" * 80,))


def _teams(at: Any, secret: str) -> Options:
    right = at.path if secret == at.secret else f"/workflows/{secret}"
    return Teams.options(webhook_url=SecretStr(at.url + right))


def _mail(at: Any, secret: str) -> Options:
    encrypted = {
        "username": "spikewatch",
        "password": SecretStr(secret),
        "encryption": "starttls",
    }
    return Email.options(
        host="localhost" if at.tls else providers.HOST,
        port=at.port,
        sender="spikewatch@example.com",
        to=("support@example.com",),
        **(encrypted if at.tls else {"encryption": "none"}),
    )


CASES = {
    case.name: case
    for case in (
        Case("pagerduty", PagerDuty, lambda _: providers.PagerDuty(), _pagerduty),
        Case(
            "alertmanager",
            Alertmanager,
            lambda _: providers.Alertmanager(),
            lambda at, secret: Alertmanager.options(url=at.url, token=SecretStr(secret)),
        ),
        Case("slack", Slack, lambda _: providers.Slack(), _slack),
        Case(
            "slack webhook",
            Slack,
            lambda _: providers.Slack(),
            _slack_webhook,
            detects_bad_credentials=False,
        ),
        Case("jira", Jira, lambda _: providers.Jira(), _jira),
        Case(
            "email",
            Email,
            lambda _: providers.Mail(),
            _mail,
            http=False,
            detects_bad_credentials=False,
        ),
        Case("teams", Teams, lambda _: providers.Teams(), _teams, detects_bad_credentials=False),
        Case(
            "webhook",
            Webhook,
            lambda _: providers.Webhook(),
            lambda at, secret: Webhook.options(url=f"{at.url}/in", secret=SecretStr(secret)),
            detects_bad_credentials=False,
        ),
        Case(
            "apprise",
            Apprise,
            lambda _: providers.Json(),
            lambda at, secret: Apprise.options(
                url=SecretStr(f"json://{providers.HOST}:{at.port}/{secret}/")
            ),
            http=False,
            detects_bad_credentials=False,
        ),
        Case(
            "folder",
            Folder,
            lambda path: providers.Folder(path / "inbox"),
            lambda at, _: Folder.options(path=str(at.path)),
            http=False,
            detects_bad_credentials=False,
        ),
    )
}


@contextlib.asynccontextmanager
async def running(
    case: Case, path: Path, *, secret: str = "", timeout: float = 5.0
) -> AsyncIterator[tuple[Sink, Any]]:
    """Start the provider of a case, and yield the sink that sends to it with the provider."""
    async with (
        case.provider(path) as provider,
        Http((providers.HOST,), timeout=timeout) as http,
    ):
        options = case.options(provider, secret or provider.secret)
        yield case.sink(LONG_NAME, options, http), provider
