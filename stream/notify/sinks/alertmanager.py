"""Prometheus Alertmanager, API v2.

Alertmanager identifies an alert by its label set, so nothing that changes within an episode is a
label. Alertmanager resolves an alert that is not sent again, so a firing alert is repeated, and for
a while a resolved alert is repeated too.

Source: prometheus/alertmanager, api/v2/openapi.yaml and docs/alerts_api.md.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from pydantic import Field

from stream.config.secret import Secret
from stream.config.values import plain
from stream.notify.model.errors import RefusedError
from stream.notify.model.message import Action, Message
from stream.notify.sinks.base import Handle, Options, Sink, Url, cut

REPEATS_MISSED: Final = 5
"""Number of missed repeats after which Alertmanager resolves an alert; at 60 s, an outage of
spikewatch of four minutes resolves nothing."""
LABEL_CHARACTERS: Final = 200
TEXT_CHARACTERS: Final = 8_000


class AlertmanagerOptions(Options):
    """One Alertmanager, or one member of a cluster."""

    url: Url = Field(description="URL of Alertmanager, such as https://alertmanager.example.com.")
    repeat_seconds: float = Field(
        default=60.0,
        ge=0.5,
        le=600,
        description="Interval at which a firing alert is sent again, in seconds; Alertmanager "
        "resolves the alert by itself after five missed intervals.",
    )
    token: Secret | None = Field(
        default=None,
        description="Bearer token to send with every request; empty: none.",
    )


class Alertmanager(Sink):
    """One alert for each episode."""

    kind = "alertmanager"
    options = AlertmanagerOptions
    actions: ClassVar[frozenset[Action]] = frozenset(("open", "update", "resolve", "answer"))

    def __init__(self, name: str, options: AlertmanagerOptions, http: Any) -> None:
        """Create the sink; see `Sink`."""
        super().__init__(name, options, http)
        self._url = options.url.rstrip("/")
        self._ends_after = timedelta(seconds=REPEATS_MISSED * options.repeat_seconds)
        self._headers = {"Authorization": f"Bearer {plain(options.token)}"} if options.token else {}

    @classmethod
    def repeats(cls, options: Options) -> float | None:
        """Return the interval in seconds at which alerts are repeated to keep them firing."""
        return options.repeat_seconds if isinstance(options, AlertmanagerOptions) else None

    @classmethod
    def alert_labels(cls, handle: Handle) -> Mapping[str, str] | None:
        """Return the labels of the alert, which stay those of the first message."""
        return handle or None

    async def send(self, message: Message, handle: Handle) -> Handle:
        """Post the alert, always with the labels of the first message."""
        labels = handle or self._labels(message)
        now = datetime.now(UTC)
        resolved = message.action == "resolve"
        page = next((url for _, url in message.links), "")
        alert = {
            "labels": labels,
            "annotations": self._annotations(message),
            "startsAt": _time(min(message.since, now)),  # the help desk's clock may be ahead
            "endsAt": _time(now if resolved else now + self._ends_after),
            "generatorURL": page if urlsplit(page).scheme in ("http", "https") else "",
        }
        await self.ask("POST", f"{self._url}/api/v2/alerts", body=[alert], headers=self._headers)
        return labels

    def _labels(self, message: Message) -> dict[str, str]:
        names = ("alertname", "tenant", "product", "product_area", "issue_type", "team", "severity")
        labels = {name: message.labels.get(name, "") for name in names}
        labels |= {"severity": message.severity, "receiver_key": message.key}
        labels["alertname"] = labels["alertname"] or "TicketSpike"
        return {name: cut(value, LABEL_CHARACTERS) for name, value in labels.items() if value}

    def _annotations(self, message: Message) -> dict[str, str]:
        annotations = {
            "summary": message.title,
            "description": cut("\n".join(message.lines), TEXT_CHARACTERS),
            "severity_now": message.severity,
            "reason": message.reason,
        }
        if message.event is not None:
            data = message.event.data
            annotations |= {
                "episode_id": data.episode_id,
                "observed": f"{data.observed:g}",
                "expected": f"{data.expected:g}",
                "p_value": f"{data.p_value:g}",
                "customers": str(data.customers),
            }
            if data.actions is not None and data.actions.runbook:
                annotations["runbook_url"] = data.actions.runbook
        if message.page is not None:
            annotations["dashboard_url"] = message.page
        return annotations

    async def check(self) -> str:
        """Request the status of the Alertmanager."""
        answer = await self.ask("GET", f"{self._url}/api/v2/status", headers=self._headers)
        info = answer.json().get("versionInfo")
        version = info.get("version") if isinstance(info, dict) else None
        if not isinstance(version, str):
            raise RefusedError("the server at this URL is not an Alertmanager: check url")
        return f"Alertmanager {version} responds"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
