"""Measure notify with a failing provider, beside a slow receiver and in a storm, on a real Kafka.

    .venv/bin/python tests/bench/bench_notify.py
    .venv/bin/python tests/bench/bench_notify.py --only faults --transitions 10000 --kills 100

faults: deliver transitions while the provider fails 30 % of its requests and notify is killed.
latency: time from the append on the topic to the request, with one receiver beside a slow one.
storm: 200 tenants open episodes at once.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from schemas.audit import AuditEntry
from schemas.escalation import EscalationEvent
from schemas.topics import Topics
from stream.config.loading import load
from stream.config.sections import Config
from stream.kafka.reading import read_all
from stream.kafka.topics import create
from stream.trial.broker.local_broker import Broker
from tests.bench.common import against, headline, parser, table
from tests.support.notify_rig import Provider, escalation, life, put, webhook

TENANTS: Final = 40
SETTLE_SECONDS: Final = 180.0


class Notify:
    """A notify process with topics of its own."""

    def __init__(self, servers: str, folder: Path, plan: str) -> None:
        """Create the topics and write the configuration without starting the process."""
        self.folder = folder
        (folder / "notify.toml").write_text(plan)
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("SPIKEWATCH_")},
            "SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS": servers,
            "SPIKEWATCH_KAFKA__TOPIC_PREFIX": f"bench-{time.time_ns()}.",
            "SPIKEWATCH_NOTIFY__FILE": str(folder / "notify.toml"),
            "SPIKEWATCH_NOTIFY__INSTANCE_ID": "one",
            "SPIKEWATCH_NOTIFY__METRICS_PORT": "0",
            "SPIKEWATCH_NOTIFY__HEALTH_PORT": "0",
            "WEBHOOK_SECRET": "made up for a benchmark",
        }
        self.config: Config = load(None, self.environ)
        asyncio.run(create(self.config))
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        with (self.folder / "notify.log").open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "stream.cli", "notify"],
                env=self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def end(self, number: int) -> None:
        """Send a signal to the process and wait for its end."""
        if self.popen is not None:
            self.popen.send_signal(number)
            self.popen.wait(60)

    def put(self, events: Iterable[EscalationEvent], pause: float = 0.0) -> dict[str, float]:
        """Produce events, and return when each episode was appended."""
        return asyncio.run(put(self.config, events, pause))

    def audit(self) -> list[AuditEntry]:
        """Return the audit entries without repeats."""
        topic = Topics(self.config.kafka.topic_prefix).audit

        async def work() -> list[AuditEntry]:
            found = {}
            for number in range(self.config.kafka.partitions):
                async for _, value in read_all(self.config, topic, number):
                    entry = AuditEntry.model_validate_json(value or b"")
                    found[entry.audit_id] = entry
            return list(found.values())

        return asyncio.run(work())


def plan(*receivers: str, names: Sequence[str], more: str = "") -> str:
    """Return a receivers file in which every receiver gets everything."""
    listed = ", ".join(f'"{name}"' for name in names)
    return "\n".join(
        [
            '[delivery]\nprivate_hosts = ["127.0.0.1"]\ntimeout_seconds = 1.0',
            more,
            f"[default]\nreceivers = [{listed}]",
            *receivers,
        ]
    )


def bench_faults(servers: str, transitions: int, kills: int, seed: int) -> None:
    """Check that everything is delivered, in order and under one key."""
    rng = random.Random(seed)
    events = [life(f"tenant-{number % TENANTS}", number) for number in range(transitions // 4)]
    ordered = [event for step in zip(*events, strict=True) for event in step]
    with tempfile.TemporaryDirectory() as folder, Provider(failing=0.3, seed=seed) as provider:
        configuration = plan(
            webhook("pager", provider.url), names=["pager"], more="storm_pages = 10000"
        )
        notify = Notify(servers, Path(folder), configuration)
        notify.start()
        started = time.monotonic()
        parts = max(1, kills)
        for number in range(parts):
            part = ordered[number * len(ordered) // parts : (number + 1) * len(ordered) // parts]
            notify.put(part)
            if kills:
                time.sleep(rng.uniform(1.0, 5.0))
                notify.end(signal.SIGKILL)
                notify.start()
        wanted = {(e.data.episode_id, e.data.sequence) for e in ordered}
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline and wanted - delivered(provider):
            time.sleep(0.5)
        seconds = time.monotonic() - started
        notify.end(signal.SIGTERM)
        judge_faults(provider, wanted, kills, seconds)


def delivered(provider: Provider) -> set[tuple[str, int]]:
    """Return episode and sequence of each message that the provider accepted."""
    return {_place(one.identifier) for one in list(provider.requests) if one.accepted}


def _place(identifier: str) -> tuple[str, int]:
    episode, sequence, _ = identifier.split(".")
    return episode, int(sequence)


def judge_faults(
    provider: Provider, wanted: set[tuple[str, int]], kills: int, seconds: float
) -> None:
    """Print the result of `bench_faults`."""
    accepted = [one for one in provider.requests if one.accepted]
    counts = Counter(_place(one.identifier) for one in accepted)
    keys = defaultdict(set)
    for one in provider.requests:
        keys[_place(one.identifier)[0]].add(one.key)
    opened: dict[str, float] = {}
    early = 0
    for one in provider.requests:
        episode, sequence = _place(one.identifier)
        if one.accepted and sequence == 1:
            opened.setdefault(episode, one.at)
        if one.action == "resolve" and episode not in opened:
            early += 1
    headline(f"{len(wanted)} transitions, 30 % of requests fail, {kills} kills, {seconds:.0f} s")
    table(
        ["", "measured", "target", ""],
        [
            ["never delivered", str(len(wanted - counts.keys())), "0",
             against(len(wanted - counts.keys()), 0, most=True)],
            ["not asked for", str(len(counts.keys() - wanted)), "0",
             against(len(counts.keys() - wanted), 0, most=True)],
            ["episodes with more than one key", str(sum(len(k) > 1 for k in keys.values())), "0",
             against(sum(len(k) > 1 for k in keys.values()), 0, most=True)],
            ["resolved before its opened", str(early), "0", against(early, 0, most=True)],
            ["delivered more than once", str(sum(n > 1 for n in counts.values())), "", ""],
            ["requests", str(len(provider.requests)), "", ""],
        ],
    )  # fmt: skip


def bench_latency(servers: str, count: int) -> None:
    """Measure a receiver beside one that takes a minute for each response."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Provider() as quick,
        Provider(slow_seconds=60.0) as slow,
    ):
        configuration = plan(
            webhook("quick", quick.url),
            webhook("slow", slow.url),
            names=["quick", "slow"],
            more="storm_pages = 10000",
        ).replace("timeout_seconds = 1.0", "timeout_seconds = 90.0")
        notify = Notify(servers, Path(folder), configuration)
        notify.start()
        time.sleep(6.0)
        notify.put([escalation("warm", 1, at=datetime.now(UTC))])
        time.sleep(3.0)
        now = datetime.now(UTC)
        appended = notify.put(
            (escalation(f"tenant-{n % TENANTS}", n, at=now) for n in range(count)), pause=0.02
        )
        deadline = time.monotonic() + 30.0
        while time.monotonic() < deadline and len(quick.requests) < count + 1:
            time.sleep(0.2)
        notify.end(signal.SIGKILL)  # a regular stop would wait for the slow receiver
        delays = sorted(
            one.at - appended[episode]
            for one in quick.requests
            if (episode := _place(one.identifier)[0]) in appended
        )
    headline(f"{len(delays)} of {count} escalations, one receiver beside one of 60 s")
    at = {q: delays[min(len(delays) - 1, int(q * len(delays)))] for q in (0.5, 0.99)}
    table(
        ["append to request", "measured", "target", ""],
        [
            ["median", f"{1000 * at[0.5]:.0f} ms", "", ""],
            ["p99", f"{1000 * at[0.99]:.0f} ms", "< 1000 ms", against(at[0.99], 1.0, most=True)],
        ],
    )


def bench_storm(servers: str, tenants: int) -> None:
    """Open an episode of each tenant at once, and count pages, digests and audit entries."""
    with tempfile.TemporaryDirectory() as folder, Provider() as pager, Provider() as chat:
        configuration = plan(
            webhook("pager", pager.url), webhook("chat", chat.url), names=["pager", "chat"]
        )
        notify = Notify(servers, Path(folder), configuration)
        notify.start()
        time.sleep(5.0)
        now = datetime.now(UTC)
        notify.put([escalation(f"tenant-{n}", 1, at=now) for n in range(tenants)])
        time.sleep(25.0)
        notify.end(signal.SIGTERM)
        dropped = Counter(
            (entry.receiver, entry.reason)
            for entry in notify.audit()
            if entry.kind == "decided" and not entry.send
        )
    rows = []
    for name, provider in (("pager", pager), ("chat", chat)):
        reasons = Counter(one.reason for one in provider.requests)
        left = tenants - reasons["first"]
        rows.append(
            [name, str(reasons["first"]), str(reasons["storm_digest"]),
             str(dropped[name, "in_storm_digest"]),
             "ok" if reasons["first"] <= 10 and reasons["storm_digest"] == 1
             and dropped[name, "in_storm_digest"] == left else "MISSED"]
        )  # fmt: skip
    headline(f"{tenants} tenants at once, storm limit 10 pages")
    table(["receiver", "pages", "digests", "in the audit: in_storm_digest", ""], rows)


def main(arguments: Sequence[str]) -> None:
    """Run one part or all parts."""
    options = parser(__doc__)
    options.add_argument("--transitions", type=int, default=10_000, help="of faults")
    options.add_argument("--kills", type=int, default=100, help="of faults")
    options.add_argument("--seed", type=int, default=1, help="of everything")
    options.add_argument("--only", choices=("faults", "latency", "storm"), help="a part")
    chosen = options.parse_args(arguments)
    with Broker() as broker:
        servers = broker.bootstrap_servers
        if chosen.only in (None, "latency"):
            bench_latency(servers, 500)
        if chosen.only in (None, "storm"):
            bench_storm(servers, 200)
        if chosen.only in (None, "faults"):
            bench_faults(servers, chosen.transitions, chosen.kills, chosen.seed)


if __name__ == "__main__":
    main(sys.argv[1:])
