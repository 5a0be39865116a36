"""The interface of all sinks, and helpers for them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
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
"""Most threads of one receiver."""
Handle = dict[str, str]
"""What a provider calls an episode's message; kept as long as the thread."""
ALL_ACTIONS: Final[frozenset[Action]] = frozenset(
    ("open", "update", "resolve", "acknowledge", "answer")
)


class Options(Section):
    """Keys of a receiver in the notification file, besides ``name`` and ``kind``."""

    def at(self, folder: Path) -> Self:
        """Return the options with paths relative to *folder*, that of the file."""
        del folder
        return self


class Sink(ABC):
    """One kind of receiver; there is one instance for each receiver.

    Attributes:
        kind: its name in the notification file.
        options: the model of its keys.
        actions: actions that it supports; others are not sent to it.
        can_reopen: False if a resolved episode cannot be opened again under the same key.
        takes_address: whether a message can go to a person other than the receiver's own
            recipients.
    """

    kind: ClassVar[str]
    options: ClassVar[type[Options]]
    actions: ClassVar[frozenset[Action]] = ALL_ACTIONS
    can_reopen: ClassVar[bool] = True
    takes_address: ClassVar[bool] = False

    def __init__(self, name: str, options: Options, http: Http) -> None:
        """Create the sink; nothing is requested yet.

        Args:
            name: Name of the receiver.
            options: An instance of `options`.
            http: The client to use.
        """
        self.name = name
        self.settings = options
        self.http = http
        self._secrets = tuple(secrets_of(options))
        self._threads: ThreadPoolExecutor | None = None

    async def ask(self, method: str, url: str, **more: Any) -> Answer:
        """Send a request of `Http`; the receiver's secrets are masked in its errors."""
        return await self.http.request(method, url, hide=self._secrets, **more)

    async def in_thread(self, work: Callable[[], T], seconds: float) -> T:
        """Run blocking work in threads of this receiver.

        Raises:
            TryAgainError: It took longer than *seconds*; it may still finish.
        """
        if self._threads is None:
            self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=self.kind)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            raise TryAgainError(f"no answer within {seconds:.0f} s") from None

    @classmethod
    def repeats(cls, options: Options) -> float | None:  # noqa: ARG003 - of others it depends on them
        """Return the seconds after which open episodes are sent again; None: never."""
        return None

    @classmethod
    def can_write_to_people(cls, options: Options) -> bool:
        """Return whether it can write to account owners, with these *options*."""
        del options
        return cls.takes_address

    @classmethod
    def has_own_recipients(cls, options: Options) -> bool:
        """Return whether *options* name recipients for messages without an address."""
        del options
        return True

    @abstractmethod
    async def send(self, message: Message, handle: Handle) -> Handle:
        """Send a message once.

        Args:
            message: The message. Sending it again must do no harm.
            handle: What the last call for this episode returned; empty: this is the first.

        Returns:
            The handle from now on.

        Raises:
            TryAgainError: It may work later.
            RefusedError: It will not work, however often it is tried.
        """

    async def check(self) -> str:
        """Check the settings without notifying anybody, and return the result in words.

        Raises:
            TryAgainError: They cannot be checked now.
            RefusedError: They are wrong.
        """
        return "the settings are complete; they cannot be checked without sending a message"


def secrets_of(options: Options) -> set[str]:
    """Return the secrets in every form that a provider may repeat, such as URL-encoded."""
    found = set()
    for name in type(options).model_fields:
        value = getattr(options, name)
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
            path = text.partition("://")[2].partition("/")[2]
            found |= {text, quote(text, safe=""), quote(text), path, path.partition("?")[0]}
    return found - {""}


def cut(text: str, characters: int) -> str:
    """Return *text*, cut with an ellipsis if it is longer than *characters*.

    Example:
        >>> cut("abcdef", 4)
        'abc…'
    """
    return text if len(text) <= characters else text[: max(0, characters - 1)] + "…"


def cut_bytes(text: str, most: int) -> str:
    """Return *text* cut to at most *most* bytes of UTF-8, in whole characters."""
    data = text.encode("utf-8", "replace")
    return text if len(data) <= most else data[:most].decode("utf-8", "ignore")


def plain_line(text: str) -> str:
    """Return *text* as a value for a header: one line, printable."""
    return "".join(c if c.isprintable() else " " for c in text)


def form_of_url(text: str) -> str:
    """Check the form of a URL; whether its host is allowed is checked later.

    Raises:
        ValueError: It is not an http or https URL, or contains a user name.
    """
    try:
        Http().check(text)
    except RefusedError:
        # Which hosts may be private stands elsewhere in the file: here only the form is looked at.
        if not text.startswith(("https://", "http://")) or "@" in text.partition("//")[2][:200]:
            raise ValueError(
                "a URL such as https://hooks.example.com/in, without a user name"
            ) from None
    return text


Url = Annotated[str, AfterValidator(form_of_url), Field(max_length=2048)]
