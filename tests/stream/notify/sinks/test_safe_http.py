"""Test that no URL gets around the rules for outgoing requests."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.notify.model.errors import RefusedError, TryAgainError
from stream.notify.sinks.safe_http import (
    ANSWER_BYTES,
    Answer,
    Http,
    check_address,
    seconds_to_wait,
    shown,
)
from tests.support.providers.base import HOST

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PRIVATE = (
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "0.0.0.0",  # noqa: S104
    "255.255.255.255",
    "224.0.0.1",
    "240.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
)
PUBLIC = ("8.8.8.8", "203.0.114.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8")


@contextlib.asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[int]:
    """Listen on a port, and answer each connection with *talk*."""
    listening = await asyncio.start_server(talk, HOST, 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


def answering(*pieces: bytes, pause: float = 0.0, received: list[bytes] | None = None) -> Talk:
    """Return a handler that sends these pieces in order, whatever the request is."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if received is not None:
                received.append(head)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if writer.is_closing():
                    break
                await asyncio.sleep(pause)
        writer.close()

    return talk


def get(url: str, private: tuple[str, ...] = (), timeout: float = 5.0, **more: Any) -> Answer:
    """Send one request with a client of its own."""

    async def ask() -> Answer:
        async with Http(private, timeout=timeout) as http:
            return await http.request("GET", url, **more)

    return asyncio.run(ask())


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Resolve names to each list of addresses in turn, and return the names that were looked up."""
    asked: list[str] = []
    left = list(answers)

    def look_up(host: str, port: int, *_: object, **__: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize("address", PRIVATE)
def test_requests_to_private_addresses_are_refused(address: str) -> None:
    """Loopback, private, link-local, metadata and multicast addresses are refused."""
    with pytest.raises(RefusedError, match="private_hosts"):
        check_address(address, "hooks.example.com")
    literal = f"[{address.replace('%', '%25')}]" if ":" in address else address
    with pytest.raises(RefusedError, match="which is not public"):
        get(f"https://{literal}/")


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    """Public addresses are allowed in IPv4, in IPv6 and behind NAT64."""
    check_address(address, "hooks.example.com")
    literal = f"[{address}]" if ":" in address else address
    assert Http().check(f"https://{literal}/x").path == "/x"


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_embedded_private_addresses_are_refused(address: Any) -> None:
    """Mapped, compatible, 6to4 and NAT64 addresses are judged by the address that they embed."""
    number = int(address)
    for prefix in ("::", "::ffff:", "64:ff9b::", "2002:"):
        text = f"{prefix}{number >> 16:x}:{number & 0xFFFF:x}" + ("::" if prefix == "2002:" else "")
        with pytest.raises(RefusedError):
            check_address(text, "x")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost.",
        "LOCALHOST",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0177.0.0.1",
        "0x7f.1",
        "127.1",
        "127.0.1",
        "0",
        "\uff11\uff12\uff17.0.0.1",
        "127\u30020\u30020\u30021",
        "\u2460\u2461\u2466.0.0.1",
    ],
)
def test_no_notation_of_loopback_reaches_loopback(host: str) -> None:
    """Decimal, octal, hexadecimal, short and full-width forms of loopback are refused."""
    received: list[bytes] = []

    async def ask() -> None:
        async with (
            server(answering(b"HTTP/1.1 204 x\r\n\r\n", received=received)) as port,
            Http() as http,
        ):
            with pytest.raises((RefusedError, TryAgainError)):
                await http.request("GET", f"https://{host}:{port}/")

    asyncio.run(ask())
    assert not received


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f000001", "127.1", "0"])
def test_a_loopback_name_is_refused_and_not_retried(host: str) -> None:
    """A name of loopback raises RefusedError, so the request is not tried again."""
    with pytest.raises(RefusedError, match=r"private_hosts|not a valid host name"):
        get(f"https://{host}:9/")


@pytest.mark.parametrize("addresses", [[address] for address in PRIVATE if "%" not in address])
def test_a_name_with_a_private_address_is_refused(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address behind a name decides, not the name itself."""
    resolving(monkeypatch, addresses)
    with pytest.raises(RefusedError, match=r"hooks\.example\.com has the address .*private_hosts"):
        get("https://hooks.example.com/")


def test_a_name_with_one_private_address_among_several_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection may use any of the addresses, so a single private one is enough."""
    resolving(monkeypatch, ["203.0.114.1", "127.0.0.1"])
    with pytest.raises(RefusedError, match=r"127\.0\.0\.1"):
        get("https://hooks.example.com/")


def test_a_request_connects_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name is looked up once, so a changed record cannot redirect the connection."""
    asked = resolving(monkeypatch, ["203.0.114.1"], ["127.0.0.1"])
    connected: list[str] = []

    async def ask() -> None:
        loop = asyncio.get_running_loop()

        async def connect(_: socket.socket, address: Any) -> None:
            connected.append(address[0])
            raise ConnectionRefusedError

        monkeypatch.setattr(loop, "sock_connect", connect)
        async with Http(timeout=2.0) as http:
            with pytest.raises(TryAgainError):
                await http.request("GET", "https://hooks.example.com/")

    asyncio.run(ask())
    assert set(connected) == {"203.0.114.1"}
    assert asked == ["hooks.example.com"]


def test_each_client_checks_the_address_of_a_name_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second client looks the name up again and refuses its new private address."""
    resolving(monkeypatch, ["203.0.114.1"], ["127.0.0.1"])
    with pytest.raises(TryAgainError):
        get("https://hooks.example.com/", timeout=0.2)
    with pytest.raises(RefusedError, match="private_hosts"):
        get("https://hooks.example.com/")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example.com/", "does not use https"),
        ("ftp://hooks.example.com/", "does not use https"),
        ("file:///etc/passwd", "does not use https"),
        ("hooks.example.com", "does not use https"),
        ("", "does not use https"),
        ("https://", "must have a host|is not valid"),
        ("https://user:5ecret@hooks.example.com/", "must not contain a user name or password"),
        ("https://user@hooks.example.com/", "must not contain a user name or password"),
        ("https://:5ecret@hooks.example.com/", "must not contain a user name or password"),
        ("https://hooks.example.com:99999/", "is not valid"),
        ("https://hooks.example.com:0/", "must have a host"),
        ("https://[::1/", "is not valid"),
        (f"https://{'a' * 70}.example.com/", "not a valid host name|URL is not valid"),
    ],
)
def test_an_invalid_or_unsafe_url_is_refused(url: str, why: str) -> None:
    """The form of the URL is checked before any look-up, and the error shows no password."""
    with pytest.raises(RefusedError, match=why) as error:
        get(url)
    assert "5ecret" not in str(error.value)


@given(st.text(max_size=60) | st.text(max_size=30).map("https://{}".format))
def test_the_url_check_accepts_or_refuses_any_text(text: str) -> None:
    """Any text is accepted as an https URL or raises RefusedError, and nothing else."""
    with contextlib.suppress(RefusedError):
        assert Http().check(text).scheme == "https"


def test_private_hosts_allows_exactly_the_listed_names() -> None:
    """A listed host is allowed over http too, and another name of that host is still refused."""
    received: list[bytes] = []

    async def ask() -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        async with (
            server(answering(answer, received=received)) as port,
            Http(("LocalHost",)) as http,
        ):
            assert (await http.request("GET", f"http://localhost:{port}/")).body == b"ok"
            for other in (HOST, "localhost.", "127.1", "sub.localhost", "[::1]"):
                with pytest.raises(RefusedError):
                    await http.request("GET", f"http://{other}:{port}/")
                with pytest.raises((RefusedError, TryAgainError)):
                    await http.request("GET", f"https://{other}:{port}/")

    asyncio.run(ask())
    assert len(received) == 1


def test_a_redirect_to_localhost_is_not_followed() -> None:
    """The redirect is refused even if the host that sends it is a private host that is allowed."""
    received: list[bytes] = []

    async def ask() -> None:
        async with server(answering(b"HTTP/1.1 200 OK\r\n\r\n", received=received)) as target:
            for status in (301, 302, 303, 307, 308):
                moved = f"HTTP/1.1 {status} x\r\nLocation: http://localhost:{target}/\r\n\r\n"
                async with server(answering(moved.encode())) as port, Http((HOST,)) as http:
                    with pytest.raises(RefusedError, match=f"{status}; redirects are not"):
                        await http.request("POST", f"http://{HOST}:{port}/", body={})

    asyncio.run(ask())
    assert not received


def test_a_huge_response_is_read_up_to_the_limit() -> None:
    """The client reads 64 KB and then closes the connection."""
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while sent < 200_000_000:
                writer.write(b"x" * 65_536)
                await writer.drain()
                sent += 65_536

    async def ask() -> None:
        async with server(talk) as port, Http((HOST,)) as http:
            answer = await http.request("GET", f"http://{HOST}:{port}/")
            assert answer.body == b"x" * ANSWER_BYTES

    asyncio.run(ask())
    assert sent < 50_000_000


def test_a_response_in_several_segments_is_read_completely() -> None:
    """The client reads until the response is complete, however TCP splits it."""
    body = json.dumps({"ok": True, "text": "é" * 2000}, ensure_ascii=False).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    async def ask() -> None:
        talk = answering(head, body[:7], body[7:999], body[999:], pause=0.02)
        async with server(talk) as port, Http((HOST,)) as http:
            answer = await http.request("GET", f"http://{HOST}:{port}/")
            assert answer.json()["text"] == "é" * 2000

    asyncio.run(ask())


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", *[b"x"] * 60),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", *[b"x"] * 60),
        (),
    ],
    ids=["body", "head", "nothing"],
)
def test_a_slow_response_is_cut_off_at_the_timeout(pieces: tuple[bytes, ...]) -> None:
    """A server that sends a byte now and then cannot extend the total timeout."""

    async def ask() -> None:
        talk = answering(*pieces, *[b""] * 60, pause=0.05)
        async with server(talk) as port, Http((HOST,), timeout=0.4) as http:
            began = time.monotonic()
            with pytest.raises(TryAgainError, match=f"{HOST} did not respond in time"):
                await http.request("GET", f"http://{HOST}:{port}/")
            assert time.monotonic() - began < 2.0

    asyncio.run(ask())


@pytest.mark.parametrize(
    "response", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
def test_an_invalid_or_truncated_response_is_retried(response: bytes) -> None:
    """A response that is not HTTP or ends early raises TryAgainError."""

    async def ask() -> None:
        async with server(answering(response)) as port, Http((HOST,)) as http:
            with pytest.raises(TryAgainError, match="cannot be reached"):
                await http.request("GET", f"http://{HOST}:{port}/")

    asyncio.run(ask())


def test_proxies_from_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve names for us and see what we send."""
    asked: list[bytes] = []
    received: list[bytes] = []

    async def ask() -> None:
        answer = b"HTTP/1.1 204 x\r\n\r\n"
        async with (
            server(answering(answer, received=asked)) as proxy,
            server(answering(answer, received=received)) as port,
        ):
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, f"http://{HOST}:{proxy}")
            async with Http((HOST,)) as http:
                await http.request("GET", f"http://{HOST}:{port}/")

    asyncio.run(ask())
    assert received
    assert not asked


def test_secrets_in_a_response_are_masked() -> None:
    """The rest of the response is shown in one line without control characters."""
    response = b"no\n service \x1b[31m for key k-5ecret at /in/k-5ecret"
    assert shown(response, ("k-5ecret",)) == "no service ?[31m for key ******** at /in/********"
    assert "5ecret" not in shown(b"x" * 195 + b"k-5ecret", ("k-5ecret",))


@given(st.text(max_size=40) | st.integers().map(str), st.floats(0, 4e9))
def test_retry_after_is_parsed_or_ignored(header: str, now: float) -> None:
    """Any header gives a delay between zero and an hour, or none."""
    delay = seconds_to_wait(header, now)
    assert delay is None or 0.0 <= delay <= 3_600.0


def test_a_client_that_is_not_open_sends_nothing() -> None:
    """The client raises an error instead of opening a session that nobody closes."""
    with pytest.raises(RuntimeError, match="not open"):
        asyncio.run(Http().request("GET", "https://hooks.example.com"))
