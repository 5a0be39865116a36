"""Slack: one message per episode, edited in place, with its changes in the thread.

The sink uses a bot token, or an incoming webhook, which can only post new messages. Text from
tickets is put into ``plain_text`` objects, where nothing is markup, and into the fallback text,
where the three characters that start markup are escaped.

Source: Slack API reference: chat.postMessage, chat.update, Block Kit (header, section, context,
    actions, button), "Formatting message text", "Sending messages using incoming webhooks".
"""

import re
from typing import Any, ClassVar, Final, Self

from pydantic import Field, model_validator

from stream.config.errors import Disagreement, disagree
from stream.config.secret import Secret
from stream.config.values import plain
from stream.notify.model.errors import RefusedError, TryAgainError
from stream.notify.model.message import Message
from stream.notify.sinks.base import Handle, Options, Sink, Url, cut

HEADER_CHARACTERS: Final = 150
SECTION_CHARACTERS: Final = 3000
FIELD_CHARACTERS: Final = 2000
MOST_FIELDS: Final = 10
BUTTON_CHARACTERS: Final = 75
URL_CHARACTERS: Final = 3000
VALUE_CHARACTERS: Final = 2000
TEXT_CHARACTERS: Final = 4000
MOST_LINKS: Final = 4
TEXT_SECTIONS: Final = 2
BUTTONS: Final = (
    ("acknowledge", "Acknowledge"),
    ("snooze_1h", "Snooze 1 h"),
    ("incident", "Real incident"),
    ("false_alarm", "False alarm"),
    ("new_normal", "New normal"),
)
PASSING: Final = frozenset(
    ("ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable",
     "request_timeout", "team_added_to_org")
)  # fmt: skip
"""Slack errors that are temporary."""
_HALF: Final = re.compile(r"&[a-z]{0,3}…$")
ONLY_POSTED: Final = ("mrkdwn", "unfurl_links", "unfurl_media")
"""Arguments of chat.postMessage that chat.update does not have."""
GONE: Final = frozenset(("message_not_found", "cant_update_message", "edit_window_closed"))


class SlackOptions(Options):
    """Bot in a workspace, or an incoming webhook."""

    token: Secret | None = Field(
        default=None,
        description="Token of the bot (xoxb-...), with the scope chat:write.",
    )
    channel: str = Field(
        default="", description="Id of the channel to post to, such as C0123456789."
    )
    webhook_url: Secret | None = Field(
        default=None, description="URL of an incoming webhook to use instead of a bot."
    )
    url: Url = Field(
        default="https://slack.com/api",
        description="Base URL of the Slack API; not used with a webhook.",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        wrong = []
        if (self.token is None) == (self.webhook_url is None):
            wrong.append(
                Disagreement(
                    "receiver.token",
                    ("receiver.webhook_url",),
                    "set either token and channel, or webhook_url",
                )
            )
        if self.token is not None and not self.channel:
            wrong.append(Disagreement("receiver.channel", ("receiver.token",), "is missing"))
        disagree(wrong)
        return self


class Slack(Sink):
    """Sink that posts to one Slack channel."""

    kind = "slack"
    options = SlackOptions
    takes_address: ClassVar[bool] = True

    def __init__(self, name: str, options: SlackOptions, http: Any) -> None:
        """Create the sink; see `Sink`."""
        super().__init__(name, options, http)
        self._token = plain(options.token) if options.token else ""
        self._webhook = plain(options.webhook_url) if options.webhook_url else ""
        self._channel = options.channel
        self._url = options.url.rstrip("/")

    @classmethod
    def can_write_to_people(cls, options: Options) -> bool:
        """Return whether a bot is used: a webhook would show an owner's customers to everyone."""
        return isinstance(options, SlackOptions) and options.token is not None

    async def send(self, message: Message, handle: Handle) -> Handle:
        """Post the message, or edit it and post the change to its thread."""
        if self._webhook:
            if message.action in ("acknowledge", "answer"):
                return handle
            await self.ask("POST", self._webhook, body=self._body(message))
            return handle
        if not handle:
            if message.action in ("acknowledge", "answer"):
                return handle
            channel = message.address or self._channel
            answer = await self._call(
                "chat.postMessage", {"channel": channel} | self._body(message)
            )
            if not (answer.get("channel") and answer.get("ts")):
                raise RefusedError(
                    "Slack chat.postMessage: the response has no channel or timestamp"
                )
            return {"channel": str(answer["channel"]), "ts": str(answer["ts"])}
        where = {"channel": handle["channel"], "ts": handle["ts"]}
        if message.action not in ("acknowledge", "answer"):
            try:
                body = self._body(message)
                for name in ONLY_POSTED:
                    del body[name]
                await self._call("chat.update", where | body)
            except RefusedError as refused:
                if str(refused).rpartition(" ")[2] not in GONE:
                    raise
                return await self.send(message, {})  # the message was deleted
        await self._call(
            "chat.postMessage",
            {
                "channel": handle["channel"],
                "thread_ts": handle["ts"],
                "reply_broadcast": message.reason in ("severity_raised", "reopened", "hold_ended"),
                **_literal(self._change(message)),
            },
        )
        return handle

    def _change(self, message: Message) -> str:
        first = message.lines[0] if message.lines else ""
        return cut(f"{message.title}\n{first}" if first else message.title, TEXT_CHARACTERS // 2)

    def _body(self, message: Message) -> dict[str, Any]:
        blocks: list[dict[str, Any]] = [
            {"type": "header", "text": _plain(message.title, HEADER_CHARACTERS)}
        ]
        if len(message.title) > HEADER_CHARACTERS:
            blocks.append({"type": "section", "text": _plain(message.title, SECTION_CHARACTERS)})
        if message.facts:
            fields = [_plain(f"{name}\n{value}", FIELD_CHARACTERS) for name, value in message.facts]
            blocks.append({"type": "section", "fields": fields[:MOST_FIELDS]})
        blocks += [
            {"type": "section", "text": _plain(text, SECTION_CHARACTERS)}
            for text in _sections(message.lines)
        ]
        buttons = [
            _button(text, f"open_{number}", url=url)
            for number, (text, url) in enumerate(message.links_within(URL_CHARACTERS, MOST_LINKS))
        ]
        if message.answerable and self._token and message.action != "resolve":
            value = cut(f"{message.key}|{message.labels.get('tenant', '')}", VALUE_CHARACTERS)
            buttons += [_button(text, name, value=value) for name, text in BUTTONS]
        if buttons:
            blocks.append({"type": "actions", "elements": buttons})
        return {
            **_literal(message.title),
            "blocks": blocks,
            "metadata": {
                "event_type": "spikewatch_escalation",
                "event_payload": {"key": message.key, "id": message.id},
            },
        }

    async def _call(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.ask(
            "POST",
            f"{self._url}/{method}",
            body=body,
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json; charset=utf-8",
            },
        )
        reply = answer.json()
        if reply.get("ok") is True:
            return reply
        error = str(reply.get("error", "the response is not valid"))
        if error in PASSING or "error" not in reply:
            raise TryAgainError(f"Slack {method}: {error}")
        raise RefusedError(f"Slack {method}: {error}")

    async def check(self) -> str:
        """Request the name of the bot from Slack."""
        if self._webhook:
            self.http.check(self._webhook)
            return await super().check()
        reply = await self._call("auth.test", {})
        return f"bot {reply.get('user', '?')} of workspace {reply.get('team', '?')}"


def _literal(text: str) -> dict[str, Any]:
    """Return top-level text that Slack shows verbatim, without previews."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {
        "text": _HALF.sub("…", cut(escaped, TEXT_CHARACTERS)),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _plain(text: str, characters: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut(text, characters) or " ", "emoji": False}


def _button(text: str, action: str, *, url: str = "", value: str = "") -> dict[str, Any]:
    button: dict[str, Any] = {
        "type": "button",
        "text": _plain(text, BUTTON_CHARACTERS),
        "action_id": action,
    }
    return button | ({"url": url} if url else {"value": value})


def _sections(lines: tuple[str, ...]) -> list[str]:
    """Join the lines into as few texts as the limit allows, at most `TEXT_SECTIONS`."""
    texts = [""]
    for line in lines:
        if len(texts[-1]) + len(line) + 1 > SECTION_CHARACTERS:
            texts.append("")
        texts[-1] = f"{texts[-1]}\n{line}" if texts[-1] else line
    return [text for text in texts[:TEXT_SECTIONS] if text]
