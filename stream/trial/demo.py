"""``spikewatch demo``: one incident from its first ticket to its resolution.

The demo runs a real Kafka, two workers, the page and notify, with six weeks of tickets of a
simulated company and a morning on which logins fail.
"""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from detectors.simulation.tickets import HOUR, Incident, World, tickets
from schemas.escalation import EscalationEvent
from stream.config.loading import load
from stream.config.sections import Config
from stream.errors import UserError
from stream.escalations.follow import follow
from stream.escalations.plain_text import render
from stream.kafka.ticket_sender import Pace, Sender
from stream.kafka.topics import create
from stream.trial.broker.local_broker import Broker, BrokerSettings
from stream.trial.broker.node import HOST

START: Final = datetime(2024, 3, 4, tzinfo=UTC).timestamp()
"""Monday in the past, because history must not be in the future."""
USUAL_PORT: Final = 9092
"""Port of Kafka that the commands use by default."""
HISTORY_HOURS: Final = 6 * 168.0
LIVE_HOURS: Final = 5.5
INCIDENT: Final = Incident(
    area="login",
    start=START + (HISTORY_HOURS + 8.0 + 1.0) * HOUR,
    hours=1.0,
    multiple=7.0,
    app_version="4.2.1",
    issue_type="sso error",
    word="err_401_sso",
)
EXAMPLES: Final = Path(__file__).parents[2] / "deploy" / "config"
SPEED: Final = 240.0
"""Multiple of real time: an hour takes 15 seconds."""
WORKERS: Final = 2
PAGE_PORT: Final = 9470
INBOX: Final = "demo-inbox"
INBOX_SECONDS: Final = 20.0
OWNERS: Final = ("accounts-a@example.com", "accounts-b@example.com", "accounts-c@example.com")
CUSTOMERS: Final = 4_000
WORLD: Final = World(
    start=START, hours=HISTORY_HOURS + 8.0 + LIVE_HOURS, incidents=(INCIDENT,), seed=7
)

Say = Callable[[str], None]


def run(path: Path | None, *, once: bool, say: Say) -> int:
    """Run the demo and return its exit code.

    Args:
        path: Path of the configuration file, if given. If it or the environment names Kafka
            servers, the demo uses those instead of starting a broker.
        once: Whether to end when the incident is resolved instead of running until Ctrl-C.
        say: Prints a line.

    Raises:
        UserError: A requirement of the demo is missing.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent script may have ignored it
    signal.signal(signal.SIGTERM, _interrupt)
    with contextlib.ExitStack() as stack:
        given = load(path).kafka
        has_kafka = "bootstrap_servers" in given.model_fields_set
        if has_kafka:
            servers = given.bootstrap_servers
            say(f"1/5  using the Kafka at {servers}; the demo's topics will not be deleted")
        else:
            say("1/5  starting a local Kafka (its jars, 45 MB, are downloaded the first time)")
            servers = stack.enter_context(
                Broker(BrokerSettings(port=_usual_port()), say=lambda text: say(f"     {text}"))
            ).bootstrap_servers
        environ = _environ(path, servers, has_kafka=has_kafka)
        config = load(None, {**os.environ, **environ})
        say(f"2/5  creating the topics with the prefix {config.kafka.topic_prefix}")
        asyncio.run(create(config))
        say(f"3/5  starting {WORKERS} workers and a ticker")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spikewatch-demo-")))
        for number in range(WORKERS):
            ports = _free_ports(2)
            own = {
                "SPIKEWATCH_METRICS__PORT": str(ports[0]),
                "SPIKEWATCH_HEALTH__PORT": str(ports[1]),
            }
            log = folder / f"worker-{number + 1}.log"
            stack.enter_context(_process("worker", {**environ, **own}, log))
            say(f"     worker {number + 1}: metrics at http://127.0.0.1:{ports[0]}/metrics")
        stack.enter_context(_process("ticker", environ, folder / "ticker.log"))
        render = _page()
        stack.enter_context(_process("page", {**environ, **render}, folder / "page.log"))
        say(f"     the page: {render['SPIKEWATCH_PAGE__URL']}")
        inbox = Path.cwd() / INBOX
        stack.enter_context(_process("notify", {**environ, **render, **_receivers(folder, inbox)},
                                     folder / "notify.log"))  # fmt: skip
        say(f"     notify: messages are written to files in {INBOX}/ instead of being sent")
        say("     to use the commands that the page shows, first run this in another terminal:")
        exports = " ".join(f"{key}={shlex.quote(value)}" for key, value in environ.items())
        say(f"       export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH {exports}")
        story = _story(config, render["SPIKEWATCH_PAGE__URL"], once=once, say=say)
        done = asyncio.run(story)
        _show_inbox(inbox, say)
        return done


async def _story(config: Config, page_url: str, *, once: bool, say: Say) -> int:
    history_end = START + (HISTORY_HOURS + 8.0) * HOUR
    stream = iter(tickets(WORLD))
    resolved = asyncio.Event()
    watcher = asyncio.create_task(_watch(config, page_url, resolved, say))
    try:
        say("4/5  loading six weeks of history: models learn, nobody is paged")
        async with Sender(config, Pace("history")) as sender:
            first_live = await _load_history(sender, stream, history_end)
        say(
            f"5/5  live traffic, {SPEED:.0f} times faster than real time; at "
            f"{datetime.fromtimestamp(INCIDENT.start, UTC):%H:%M} version {INCIDENT.app_version} "
            "starts to break logins"
        )
        live = [first_live, *(json.dumps(ticket).encode() for ticket in stream)]
        async with Sender(config, Pace("simulated", speed=SPEED)) as sender:
            sending = asyncio.create_task(sender.send(live))
            ending = asyncio.create_task(resolved.wait())
            done, _ = await asyncio.wait(
                {sending, ending, watcher}, return_when=asyncio.FIRST_COMPLETED
            )
            if watcher in done:
                watcher.result()
            if sending in done:
                sending.result()
                async with asyncio.timeout(60):
                    await sender.pass_time(sender.sent.latest + 6 * HOUR)
                    await ending
            sending.cancel()
            ending.cancel()
        say("The episode is resolved.")
        if once:
            return 0
        say(f"Everything is still running; stop it with Ctrl-C. The page is at {page_url}")
        say("The commands that the page shows work in a terminal with the exports printed above.")
        await watcher
        return 0
    except TimeoutError:
        raise UserError(
            "the demo's incident was not resolved in time: see the workers' logs"
        ) from None
    finally:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher


def _environ(path: Path | None, servers: str, *, has_kafka: bool) -> dict[str, str]:
    """Return the variables that every process of the demo needs, and the user's commands."""
    environ = {
        "SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS": servers,
        # A broker of the user may hold the topics of an earlier demo; our own is always empty.
        "SPIKEWATCH_KAFKA__TOPIC_PREFIX": f"demo-{int(time.time())}." if has_kafka else "demo.",
    }
    if path is not None:
        environ["SPIKEWATCH_CONFIG"] = str(path.resolve())
    elif EXAMPLES.is_dir():  # in a checkout: the example playbook
        environ["SPIKEWATCH_TEXT__TAXONOMY"] = str(EXAMPLES / "taxonomy.toml")
        environ["SPIKEWATCH_TEXT__PLAYBOOK"] = str(EXAMPLES / "playbook.toml")
        environ["SPIKEWATCH_IMPACT__HANDLING_MINUTES"] = "20"
    return environ


def _usual_port() -> int | None:
    """Return the port that the commands use by default, if it is free; else None."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, USUAL_PORT))
        except OSError:
            return None
    return USUAL_PORT


def _interrupt(number: int, frame: object) -> None:  # noqa: ARG001 - signature of signal handlers
    """End like Ctrl-C, so that the started processes are stopped."""
    raise KeyboardInterrupt


async def _load_history(sender: Sender, stream: Iterator[dict[str, object]], until: float) -> bytes:
    """Send the tickets before a time; return the first ticket after it."""
    columns = (TextColumn("     history"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    first_live = b""
    total = (until - START) / HOUR

    def lines(bar: Progress, task: object) -> Iterator[bytes]:
        nonlocal first_live
        for ticket in stream:
            at = datetime.fromisoformat(str(ticket["created_at"])).timestamp()
            line = json.dumps(ticket).encode()
            if at >= until:
                first_live = line
                return
            bar.update(task, completed=(at - START) / HOUR)  # type: ignore[arg-type]  # rich's TaskID
            yield line

    with Progress(*columns) as bar:
        task = bar.add_task("history", total=total)
        await sender.send(lines(bar, task))
        bar.update(task, completed=total)
    return first_live


async def _watch(config: Config, page_url: str, resolved: asyncio.Event, say: Say) -> None:
    """Print escalations with links to the page; only count those of the history."""
    of_history = 0
    identity = None
    async for event in follow(config, from_start=True):
        if event.data.suppressed:
            of_history += event.transition == "opened"
            continue
        if of_history:
            say(f"     ({of_history} suppressed episodes in the history)")
            of_history = 0
        say("")
        say(render(event))
        say(f"  {page_url}#/episode/{event.subject}")
        if _is_the_incident(event):
            identity = event.subject
        if event.subject == identity and event.transition == "resolved":
            resolved.set()


def _is_the_incident(event: EscalationEvent) -> bool:
    return event.data.product_area == INCIDENT.area and event.time.timestamp() >= INCIDENT.start


def _receivers(folder: Path, inbox: Path) -> dict[str, str]:
    """Configure the demo's receivers: a pager, a channel, and owners of affected customers."""
    for old in inbox.glob("*.txt"):
        old.unlink()
    owners = [f"customer-{n},{OWNERS[n % len(OWNERS)]}" for n in range(CUSTOMERS)]
    (folder / "owners.csv").write_text("customer,account_executive\n" + "\n".join(owners) + "\n")
    tables = [f'[[receiver]]\nname = "{name}"\nkind = "folder"\npath = {json.dumps(str(inbox))}'
              for name in ("on-call", "support channel", "account team")]  # fmt: skip
    tables.append(
        '[default]\nreceivers = ["on-call", "support channel"]\n[owners]\nfile = "owners.csv"\n'
        '[[audience]]\nname = "account executives"\nowner = "account_executive"\n'
        'receiver = "account team"\nleast_revenue = 1000\n'
    )
    (folder / "notify.toml").write_text("\n".join(tables))
    return {
        "SPIKEWATCH_NOTIFY__FILE": str(folder / "notify.toml"),
        "SPIKEWATCH_NOTIFY__METRICS_PORT": "0",
        "SPIKEWATCH_NOTIFY__HEALTH_PORT": "0",
    }


def _page() -> dict[str, str]:
    """Return the settings of the page: the default port if it is free, and the URL."""
    try:
        socket.create_server(("127.0.0.1", PAGE_PORT)).close()
        port = PAGE_PORT
    except OSError:
        port = _free_ports(1)[0]
    return {
        "SPIKEWATCH_PAGE__PORT": str(port),
        "SPIKEWATCH_PAGE__URL": f"http://127.0.0.1:{port}/",
        "SPIKEWATCH_PAGE__METRICS_PORT": "0",
    }


def _show_inbox(inbox: Path, say: Say) -> None:
    """List the messages once the last message has been written."""
    end = time.monotonic() + INBOX_SECONDS
    while time.monotonic() < end and not list(inbox.glob("on-call-*.resolved.txt")):
        time.sleep(0.2)
    messages = sorted(inbox.glob("*.txt"), key=lambda path: path.stat().st_mtime)
    say(f"\n{len(messages)} messages would have been sent; they are in {INBOX}/:")
    for path in messages:
        say(f"  {path.name}")


@contextlib.contextmanager
def _process(command: str, environ: dict[str, str], log: Path) -> Iterator[None]:
    """Run one of our processes for the duration of a ``with``; if it fails, print its log."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "stream.cli", command],
            env={**os.environ, **environ},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    except BaseException:
        if process.poll() not in (None, 0):
            sys.stderr.write(f"{command} exited with code {process.returncode}:\n{_last(log)}\n")
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports
