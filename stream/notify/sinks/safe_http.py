"""HTTP client for providers that protects against server-side request forgery.

Requests use https and go to public addresses only; a host in ``private_hosts`` may be private and
may be reached over http. The client connects to the address that it checked, follows no redirects,
reads at most 64 KB of a response, and ignores proxies in the environment.

Source: OWASP, "Server-Side Request Forgery Prevention Cheat Sheet".
"""

import contextlib
import email.utils
import ipaddress
import json
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from stream.config.errors import MASK
from stream.notify.model.errors import RefusedError, TryAgainError

TIMEOUT_SECONDS: Final = 10.0
ANSWER_BYTES: Final = 65_536
SHOWN_CHARACTERS: Final = 200
MOST_WAIT_SECONDS: Final = 3_600.0
"""Maximum wait that a provider may ask for."""
TOO_MANY: Final = 429
MULTIPLE_CHOICES, CLIENT_ERROR, SERVER_ERROR = 300, 400, 500
REQUEST_TIMEOUT, TOO_EARLY = 408, 425
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
"""Network whose last 32 bits are the IPv4 address behind the translator (RFC 6052)."""
_NOWHERE: Final = tuple(
    ipaddress.ip_network(text) for text in ("::/96", "64:ff9b:1::/48", "fec0::/10")
)
"""IPv4-compatible, local translation, site-local: not private in some Python versions."""


class Answer(NamedTuple):
    """Response of a provider."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the JSON object of the response; empty if it is not a JSON object."""
        value = self._parsed()
        return value if isinstance(value, dict) else {}

    def json_list(self) -> list[Any]:
        """Return the JSON list of the response.

        Raises:
            TryAgainError: The response is not a list: it was cut off, or another server responded.
        """
        value = self._parsed()
        if not isinstance(value, list):
            raise TryAgainError("the response is not a JSON list")
        return value

    def _parsed(self) -> object:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class _Refusing(AbstractResolver):
    """Resolver that rejects a name if any of its addresses is not allowed."""

    def __init__(self, private_hosts: Collection[str]) -> None:
        self._private = private_hosts
        self._names = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        results = await self._names.resolve(host, port, family)
        if host not in self._private:
            for result in results:
                check_address(result["host"], host)
        return results

    async def close(self) -> None:
        await self._names.close()


def check_address(address: str, host: str) -> None:
    """Check that an address is public.

    Raises:
        RefusedError: It is private, link-local, loopback, metadata, multicast or reserved.

    Example:
        >>> check_address("203.0.114.1", "hooks.example.com")
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    if ip in _NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    public = ip.is_global and not ip.is_multicast and not any(ip in n for n in _NOWHERE)
    if not public or (inner is not None and not inner.is_global):
        raise RefusedError(
            f"{host} has the address {address}, which is not public: if this is intended, "
            "add the host to private_hosts"
        )


class Http:
    """HTTP client of all sinks."""

    def __init__(
        self, private_hosts: Collection[str] = (), timeout: float = TIMEOUT_SECONDS
    ) -> None:
        """Create the client; connections are opened only in ``async with``."""
        self.private_hosts = frozenset(host.casefold() for host in private_hosts)
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_Refusing(self.private_hosts),
                limit=0,  # each receiver has a limit of its own
                limit_per_host=0,
                ttl_dns_cache=30,
            ),
            timeout=self._timeout,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "spikewatch"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def check(self, url: str) -> URL:
        """Check that a URL is allowed; the addresses of its host are checked on connection.

        Raises:
            RefusedError: The scheme, host or form of the URL is not allowed.
        """
        try:
            parsed = URL(url)
            host = (parsed.host or "").casefold()
            port = parsed.port
        except ValueError:
            raise RefusedError("the URL is not valid") from None
        private = host in self.private_hosts
        if parsed.scheme != "https" and not (parsed.scheme == "http" and private):
            raise RefusedError(
                f"{host or 'the URL'} does not use https: if this is intended, add the host to "
                "private_hosts"
            )
        if not host or not port or parsed.user is not None or parsed.password is not None:
            raise RefusedError(
                "the URL must have a host and must not contain a user name or password"
            )
        if not private:
            try:
                ipaddress.ip_address(host.strip("[]"))
            except ValueError:
                pass
            else:
                check_address(host.strip("[]"), host)
        return parsed

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: object = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (),
        hide: Collection[str] = (),
        most: int = ANSWER_BYTES,
    ) -> Answer:
        """Send one request without following redirects.

        Args:
            method: HTTP method, such as POST.
            url: Full URL.
            body: Body to send as JSON, unless `data` is given.
            data: Body to send unchanged.
            headers: Headers in addition to the client's own.
            accept: Statuses of 400 and above that are not errors.
            most: Maximum number of bytes of the response to read.
            hide: Secrets to mask in error messages, in case the provider echoes them.

        Returns:
            The response.

        Raises:
            TryAgainError: There was no response, or status 408, 425, 429 or 5xx.
            RefusedError: Any other status, or a URL that is not allowed.
        """
        if self._session is None:
            raise RuntimeError("the HTTP client is not open: use it inside async with")
        target = self.check(url)
        sent = dict(headers or {})
        if data is None and body is not None:
            data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
            sent.setdefault("Content-Type", "application/json")
        if not all(value.isprintable() for value in sent.values()):
            raise RefusedError("a secret that is sent in a header must not contain line breaks")
        with _our_errors(str(target.host)):
            async with self._session.request(
                method, target, data=data, headers=sent, allow_redirects=False
            ) as answer:
                read = await _beginning(answer.content, most)
                status, after = answer.status, answer.headers.get("Retry-After")
        if status < MULTIPLE_CHOICES or status in accept:
            return Answer(status, read)
        raise _error_of(status, after, str(target.host), shown(read, hide))


@contextlib.contextmanager
def _our_errors(host: str) -> Iterator[None]:
    """Convert the errors of a request to `TryAgainError` or `RefusedError`."""
    try:
        yield
    except TimeoutError:
        raise TryAgainError(f"{host} did not respond in time") from None
    except (aiohttp.InvalidURL, UnicodeError):  # such as a label of more than 63 characters
        raise RefusedError("the host of the URL is not a valid host name") from None
    except (aiohttp.ClientError, OSError) as error:
        refusal = _refusal_in(error)
        if refusal is not None:
            raise refusal from None
        raise TryAgainError(f"{host} cannot be reached: {type(error).__name__}") from None


def _error_of(status: int, after: str | None, host: str, body: str) -> Exception:
    """Return the error for a status of 300 or above.

    Args:
        status: HTTP status.
        after: Value of the header ``Retry-After``; None: there is none.
        host: Host that responded.
        body: Beginning of the response, without secrets.
    """
    text = f"{host} responded with {status}: {body}"
    if status in (TOO_MANY, REQUEST_TIMEOUT, TOO_EARLY) or status >= SERVER_ERROR:
        return TryAgainError(text, seconds_to_wait(after, time.time()))
    if status < CLIENT_ERROR:
        return RefusedError(f"{host} responded with {status}; redirects are not followed")
    return RefusedError(text)


def _refusal_in(error: BaseException | None) -> RefusedError | None:
    """Return the resolver's `RefusedError` inside an error, however deeply it is wrapped."""
    while error is not None:
        if isinstance(error, RefusedError):
            return error
        error = error.__cause__ or error.__context__
    return None


async def _beginning(content: aiohttp.StreamReader, most: int) -> bytes:
    """Read a limited number of bytes of a response, however many chunks it arrives in."""
    pieces, left = [], most
    while left > 0 and (piece := await content.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def shown(body: bytes, hide: Collection[str] = ()) -> str:
    """Return the beginning of a response on one line, for logs, with secrets masked."""
    text = body.decode("utf-8", "replace")
    for secret in sorted(hide, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = " ".join(text.split())
    return "".join(c if c.isprintable() else "?" for c in text)[:SHOWN_CHARACTERS]


def seconds_to_wait(header: str | None, now: float) -> float | None:
    """Return the seconds that ``Retry-After`` asks to wait.

    The header is a number of seconds or an HTTP date (RFC 9110, 10.2.3).

    Example:
        >>> seconds_to_wait("120", 0.0), seconds_to_wait("Thu, 01 Jan 1970 00:01:00 GMT", 30.0)
        (120.0, 30.0)
    """
    if header is None:
        return None
    if header.isascii() and header.strip().isdigit():
        return min(float(header), MOST_WAIT_SECONDS)
    try:
        at = email.utils.parsedate_to_datetime(header).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, at - now), MOST_WAIT_SECONDS)
