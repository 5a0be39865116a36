"""Interface of all sinks, and helpers for them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self, TypeVar
from urllib.parse import quote

from pydantic import AfterValidator, Field, SecretStr

from stream.config.values import Section
from stream.notify.model.errors import RefusedError, TryAgainError
from stream.notify.model.message import Action, Message
from stream.notify.sinks.safe_http import Answer, Http

T = TypeVar("T")
AT_ONCE: Final = 4
"""Maximum number of threads of one receiver."""
Handle = dict[str, str]
"""Identifiers of an episode's message at a provider, kept as long as the thread."""
ALL_ACTIONS: Final[frozenset[Action]] = frozenset(
    ("open", "update", "resolve", "acknowledge", "answer")
)


class Options(Section):
    """Keys of a receiver in the notification file besides ``name`` and ``kind``."""

    def at(self, folder: Path) -> Self:
        """Return the options with relative paths resolved against the folder of the file."""
        del folder
        return self


class Sink(ABC):
    """One kind of receiver, with one instance per receiver.

    Attributes:
        kind: Name of the kind in the notification file.
        options: Model of the keys of the kind.
        actions: Supported actions; others are not sent.
        can_reopen: False if a resolved episode cannot be reopened under the same key.
        takes_address: Whether a message can go to a person other than the receiver's own
            recipients.
    """

    kind: ClassVar[str]
    options: ClassVar[type[Options]]
    actions: ClassVar[frozenset[Action]] = ALL_ACTIONS
    can_reopen: ClassVar[bool] = True
    takes_address: ClassVar[bool] = False

    def __init__(self, name: str, options: Options, http: Http) -> None:
        """Create the sink without sending a request.

        Args:
            name: Name of the receiver.
            options: An instance of `options`.
            http: HTTP client to use.
        """
        self.name = name
        self.settings = options
        self.http = http
        self._secrets = tuple(secrets_of(options))
        self._threads: ThreadPoolExecutor | None = None

    async def ask(self, method: str, url: str, **more: Any) -> Answer:
        """Send a request with `Http`, masking the receiver's secrets in errors."""
        return await self.http.request(method, url, hide=self._secrets, **more)

    async def in_thread(self, work: Callable[[], T], seconds: float) -> T:
        """Run blocking work in the threads of this receiver.

        Raises:
            TryAgainError: The work took longer than the given seconds; it may still finish.
        """
        if self._threads is None:
            self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=self.kind)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            raise TryAgainError(f"no response within {seconds:.0f} s") from None

    @classmethod
    def repeats(cls, options: Options) -> float | None:  # noqa: ARG003 - used by other sinks
        """Return the interval in seconds at which open episodes are sent again; None: never."""
        return None

    @classmethod
    def alert_labels(cls, handle: Handle) -> Mapping[str, str] | None:  # noqa: ARG003 - as above
        """Return the labels of the provider's alert, which its silences match; None: it has none.

        Args:
            handle: The handle that `send` returned for the episode.
        """
        return None

    @classmethod
    def can_write_to_people(cls, options: Options) -> bool:
        """Return whether a receiver with these options can send messages to account owners."""
        del options
        return cls.takes_address

    @classmethod
    def has_own_recipients(cls, options: Options) -> bool:
        """Return whether the options name recipients for messages without an address."""
        del options
        return True

    @abstractmethod
    async def send(self, message: Message, handle: Handle) -> Handle:
        """Send a message once.

        Args:
            message: Message to send. Sending it again must be harmless.
            handle: Handle that the last call for this episode returned; empty: there was no call.

        Returns:
            The handle to pass to the next call.

        Raises:
            TryAgainError: Sending may succeed later.
            RefusedError: Sending will never succeed.
        """

    async def check(self) -> str:
        """Check the settings without notifying anybody, and describe the result.

        Raises:
            TryAgainError: The settings cannot be checked now.
            RefusedError: The settings are wrong.
        """
        return "the settings are complete; they cannot be checked without sending a message"


def secrets_of(options: Options) -> set[str]:
    """Return the secrets in every form that a provider may echo, such as URL-encoded."""
    secrets = set()
    for name in type(options).model_fields:
        value = getattr(options, name)
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
            path = text.partition("://")[2].partition("/")[2]
            secrets |= {text, quote(text, safe=""), quote(text), path, path.partition("?")[0]}
    return secrets - {""}


def cut(text: str, characters: int) -> str:
    """Shorten a text to a number of characters, with an ellipsis if it is longer.

    Example:
        >>> cut("abcdef", 4)
        'abc…'
    """
    return text if len(text) <= characters else text[: max(0, characters - 1)] + "…"


def cut_bytes(text: str, most: int) -> str:
    """Shorten a text to a number of bytes of UTF-8, in whole characters."""
    data = text.encode("utf-8", "replace")
    return text if len(data) <= most else data[:most].decode("utf-8", "ignore")


def plain_line(text: str) -> str:
    """Return a text as one printable line, valid as the value of a header."""
    return "".join(c if c.isprintable() else " " for c in text)


def form_of_url(text: str) -> str:
    """Check the form of a URL, but not yet whether its host is allowed.

    Raises:
        ValueError: The text is not an http or https URL, or contains a user name.
    """
    try:
        Http().check(text)
    except RefusedError:
        # The private hosts are listed elsewhere in the file, so only the form is checked here.
        if not text.startswith(("https://", "http://")) or "@" in text.partition("//")[2][:200]:
            raise ValueError(
                "a URL such as https://hooks.example.com/in, without a user name"
            ) from None
    return text


Url = Annotated[str, AfterValidator(form_of_url), Field(max_length=2048)]
