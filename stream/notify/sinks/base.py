"""What all sinks have in common."""

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
"""Threads of a receiver."""
Handle = dict[str, str]
"""What a provider calls an episode's message; kept for as long as the episode is."""
ALL_ACTIONS: Final[frozenset[Action]] = frozenset(
    ("open", "update", "resolve", "acknowledge", "answer")
)


class Options(Section):
    """Keys of a receiver in the file, besides ``name`` and ``kind``."""

    def at(self, folder: Path) -> Self:
        """The same, with paths as seen from the *folder* of the file that they stand in."""
        del folder
        return self


class Sink(ABC):
    """One way to tell somebody; one instance for each receiver.

    Attributes:
        kind: how the configuration names it.
        options: the model of its keys.
        actions: what it has a use for; the rest is not sent to it.
        can_reopen: False where what is resolved cannot come back under the same key.
        takes_address: whether a message can go to another person than the receiver's own.
    """

    kind: ClassVar[str]
    options: ClassVar[type[Options]]
    actions: ClassVar[frozenset[Action]] = ALL_ACTIONS
    can_reopen: ClassVar[bool] = True
    takes_address: ClassVar[bool] = False

    def __init__(self, name: str, options: Options, http: Http) -> None:
        """Ready to send; nothing is asked yet.

        Args:
            name: of the receiver.
            options: an instance of `options`.
            http: the client to use.
        """
        self.name = name
        self.settings = options
        self.http = http
        self._secrets = tuple(secrets_of(options))
        self._threads: ThreadPoolExecutor | None = None

    async def ask(self, method: str, url: str, **more: Any) -> Answer:
        """A request of `Http`; no secret of this receiver is in what is said of it."""
        return await self.http.request(method, url, hide=self._secrets, **more)

    async def in_thread(self, work: Callable[[], T], seconds: float) -> T:
        """Run what blocks, in threads that no other receiver waits for.

        Raises:
            TryAgainError: It took longer; it may still come to its end.
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
        """How often, in seconds, it has to hear again of what runs; None: never."""
        return None

    @classmethod
    def writes_to_people(cls, options: Options) -> bool:
        """Whether it can write to owners of customers, with these *options*."""
        del options
        return cls.takes_address

    @classmethod
    def tells_its_own(cls, options: Options) -> bool:
        """Whether *options* say whom it tells where a message is for nobody in particular."""
        del options
        return True

    @abstractmethod
    async def send(self, message: Message, handle: Handle) -> Handle:
        """Tell it once.

        Args:
            message: What to tell; the same again must do no harm.
            handle: What the last send of this episode returned; empty: none was.

        Returns:
            The handle from now on.

        Raises:
            TryAgainError: It may work later.
            RefusedError: It will not work, however often it is tried.
        """

    async def check(self) -> str:
        """Try what can be tried without telling anybody; what was found, in words.

        Raises:
            TryAgainError: It could not be found out now.
            RefusedError: It is wrong.
        """
        return "the settings are complete; they cannot be checked without sending a message"


def secrets_of(options: Options) -> set[str]:
    """The secrets as a provider may repeat them: as they are, in URLs, and of URLs the path."""
    found = set()
    for name in type(options).model_fields:
        value = getattr(options, name)
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
            path = text.partition("://")[2].partition("/")[2]
            found |= {text, quote(text, safe=""), quote(text), path, path.partition("?")[0]}
    return found - {""}


def cut(text: str, characters: int) -> str:
    """*text*, with an ellipsis where it is longer.

    Example:
        >>> cut("abcdef", 4)
        'abc…'
    """
    return text if len(text) <= characters else text[: max(0, characters - 1)] + "…"


def cut_bytes(text: str, most: int) -> str:
    """*text*, in at most so many bytes of UTF-8, whole characters."""
    data = text.encode("utf-8", "replace")
    return text if len(data) <= most else data[:most].decode("utf-8", "ignore")


def plain_line(text: str) -> str:
    """A value for a header: one line, printable."""
    return "".join(c if c.isprintable() else " " for c in text)


def form_of_url(text: str) -> str:
    """A URL that looks as one should; whether its host may be asked is looked at later."""
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
