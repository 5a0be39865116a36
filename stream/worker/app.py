"""Worker: a Faust application with the agents `intake`, `feedback` and `detect`."""

import asyncio
import contextlib
import logging
import tempfile
import time
from functools import partial
from typing import Any, Final, cast

import faust
import faust.streams
from faust.types import TP

from schemas.codec import read_feedback, read_record
from schemas.topics import Topics
from stream.config.sections import Config
from stream.config.step_settings import reloaded, settings_of
from stream.engine import fencing
from stream.engine.assignment import Assignment, Position
from stream.engine.faust_binding import ChunkConsumer, ChunkSchema, LedgerApp
from stream.engine.recovery import AssignmentTable, FullTableManager
from stream.errors import ConfigError, UserError
from stream.kafka import log_throttle, lost_records
from stream.kafka.clients import faust_credentials
from stream.kafka.topics import verify
from stream.process.fail_fast import fatal
from stream.process.health import HealthServer, Progress
from stream.process.signals import on_hangup
from stream.process.tracing import Traces
from stream.worker.batch_producer import BatchProducer
from stream.worker.detect import Detect
from stream.worker.feed_lateness import FeedLateness
from stream.worker.intake import Intake, body
from stream.worker.metrics import Metrics

log = logging.getLogger(__name__)

BEAT_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 5.0
CHUNKS_BUFFERED: Final = 16
BATCH_BYTES: Final = 512 * 1024
NEVER: Final = 315_360_000.0


def build(
    config: Config, metrics: Metrics, progress: Progress, traces: Traces, data_directory: str
) -> LedgerApp:
    """Build the application without starting it; override Faust's defaults that would lose data.

    Args:
        config: The configuration.
        metrics: Metrics that the agents update.
        progress: Progress that the liveness check reads.
        traces: Traces that the agents write.
        data_directory: Directory for files that Faust insists on writing and that are not used.
    """
    if getattr(faust.streams, "_CStreamIterator", None) is None:
        raise UserError(
            "faust-streaming is installed without its compiled stream iterator, and the pure "
            "Python iterator loses events in a rebalance: install a wheel for this Python "
            "(3.11 to 3.14)"
        )
    lost_records.install()
    fencing.install()
    kafka = config.kafka
    topics = Topics(kafka.topic_prefix)
    servers = [f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")]
    app = LedgerApp(
        topics.group(kafka.group),
        broker=servers,
        broker_credentials=faust_credentials(config),
        store="memory://",
        datadir=data_directory,
        web_enabled=False,
        autodiscover=False,
        TableManager=FullTableManager,
        Table=AssignmentTable,
        topic_partitions=kafka.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_replication_factor=kafka.replication_factor,
        table_standby_replicas=0,
        broker_session_timeout=float(kafka.session_timeout_seconds),
        broker_heartbeat_interval=min(3.0, kafka.session_timeout_seconds / 4),
        broker_rebalance_timeout=max(30.0, float(kafka.session_timeout_seconds)),
        broker_request_timeout=90.0,
        broker_max_poll_interval=NEVER,
        broker_commit_interval=1.0,
        broker_commit_every=50,
        stream_buffer_maxsize=CHUNKS_BUFFERED,
        stream_recovery_delay=0.0,
        stream_wait_empty=True,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=kafka.instance_id or None,
        producer_acks=-1,
        producer_request_timeout=30.0,
        producer_max_batch_size=BATCH_BYTES,
        worker_redirect_stdouts=False,
    )
    app.ledger = Assignment(topics, settings_of(config))
    _add_agents(app, config, metrics, traces)
    _watch(app, metrics, progress)
    listen(app, config)
    return app


def _add_agents(app: LedgerApp, config: Config, metrics: Metrics, traces: Traces) -> None:
    topics = app.ledger.topics
    schema = ChunkSchema(key_serializer="raw", value_serializer="raw")
    outbox = BatchProducer(app, metrics)
    intake = Intake(app, config, outbox, metrics, read_record, traces)
    feedback = Intake(app, config, outbox, metrics, read_feedback, traces)
    detect = Detect(app, config, outbox, metrics, topics.changelog(config.kafka.group), traces)
    app.Table(
        "state", key_type=bytes, value_type=bytes, partitions=config.kafka.partitions, schema=schema
    )
    app.agent(app.topic(topics.tickets, schema=schema), name="intake")(body(intake.take))
    app.agent(app.topic(topics.feedback, schema=schema), name="feedback")(body(feedback.take))
    app.agent(app.topic(topics.by_tenant, schema=schema), name="detect")(body(detect.take))


def _watch(app: LedgerApp, metrics: Metrics, progress: Progress) -> None:
    settings = app.ledger.settings
    app.record_loss = metrics.record_loss
    metrics.feeds = FeedLateness(settings.lateness_seconds, settings.timezone)

    async def beat() -> None:
        looked = 0.0
        printed: set[int] | None = None
        late: set[str] = set()
        while not app.should_stop:
            now = time.monotonic()
            progress.loop_beat = now
            began = progress.recovering_since
            _note_progress(app, progress, now)
            if began is not None and progress.recovering_since is None:
                metrics.record_recovery(now - began)
            printed = _print_assignment(app, printed)
            if now - looked >= LOOK_SECONDS:
                metrics.update_state(app.ledger.partitions.values(), time.time())
                metrics.update_progress(ready=progress.ready, lag=_lag(progress))
                metrics.update_settings(app.ledger.settings.config_hash)
                late = _report_late_feeds(metrics, late)
                looked = now
            await asyncio.sleep(BEAT_SECONDS)

    async def check_sources() -> None:
        # This is a task of its own, because a broker that hangs must not stop the heartbeat.
        while not app.should_stop:
            await asyncio.sleep(LOOK_SECONDS)
            if app.ledger.open:
                await cast(ChunkConsumer, app.consumer).check_sources()

    app.task(beat)
    app.task(check_sources)


def _report_late_feeds(metrics: Metrics, reported: set[str]) -> set[str]:
    """Log tenants that became late feeds; return all that are late now."""
    feeds = metrics.feeds.late_feeds(time.time()) if metrics.feeds is not None else []
    metrics.update_late_feeds(feeds)
    for feed in feeds:
        if feed.tenant not in reported:
            log.warning("%s", feed)
    return {feed.tenant for feed in feeds}


def listen(app: LedgerApp, config: Config) -> None:
    """Reload the taxonomy and the playbook on SIGHUP, between two signals of the log."""

    async def listen() -> None:
        on_hangup(partial(reload, app, config))

    app.task(listen)


def reload(app: LedgerApp, config: Config) -> None:
    """Use the current files, or keep the previous settings if the files are invalid."""
    settings = reloaded(config, app.ledger.settings)
    if isinstance(settings, ConfigError):
        print(f"taxonomy and playbook were not reloaded:\n{settings}", flush=True)
        return
    app.ledger.change(settings)
    print(f"taxonomy and playbook were reloaded: config {settings.config_hash}", flush=True)


def _print_assignment(app: LedgerApp, printed: set[int] | None) -> set[int] | None:
    """Print the assigned partitions if they changed; return those that were printed last."""
    if not app.ledger.open:
        return printed
    owned = set(app.ledger.partitions)
    if owned != printed:
        names = ", ".join(str(number) for number in sorted(owned)) or "none"
        print(f"assigned partitions: {names}", flush=True)
    return owned


def _note_progress(app: LedgerApp, progress: Progress, now: float) -> None:
    ledger = app.ledger
    if not ledger.open:
        progress.recovery_started(now)
        return
    progress.recovery_ended()
    progress.ready = True
    consumer: Any = app.consumer
    for tp, position in list(ledger.positions.items()):
        progress.record(
            f"{tp.topic}[{tp.partition}]",
            next_offset=position.next,
            log_end=_log_end(consumer, tp, position),
            now=now,
        )


def _lag(progress: Progress) -> dict[str, int]:
    """Return the number of unprocessed records by topic."""
    lag: dict[str, int] = {}
    for name, (done, end, _) in progress.partitions.copy().items():
        topic = name.rpartition("[")[0]
        lag[topic] = lag.get(topic, 0) + max(0, end - done)
    return lag


def _log_end(consumer: Any, tp: TP, position: Position) -> int:
    """Return the end of the log at the last fetch, without trailing offsets of no records."""
    log_end = position.next
    with contextlib.suppress(Exception):  # not assigned any more; the next call sees the new ones
        end = int(consumer.highwater(tp) or 0)
        # The last record may be followed by transaction markers, which consumers do not return.
        drained = consumer.handed_out(tp) == log_end and consumer.fetch_position(tp) >= end
        return log_end if drained else max(log_end, end)
    return log_end


def run(config: Config) -> None:
    """Run a worker until SIGTERM or SIGINT.

    This function does not return: the process exits with 0, or with 70 if it had to stop at once.

    Raises:
        UserError: The worker cannot start.
    """
    asyncio.run(verify(config))
    print("worker: joining the group", flush=True)
    metrics, progress = Metrics(), Progress()
    topics = Topics(config.kafka.topic_prefix)
    metrics.know_sources((topics.tickets, topics.by_tenant, topics.feedback))
    progress.recovery_started(time.monotonic())
    health = HealthServer(progress, host=config.health.host, port=config.health.port)
    if config.health.port:
        health.start()
    metrics.serve(config.metrics.host, config.metrics.port)
    log_throttle.install()
    with tempfile.TemporaryDirectory(prefix="spikewatch-") as folder:
        traces = Traces(config, "worker")
        app = build(config, metrics, progress, traces, folder)
        worker = faust.Worker(
            app, loglevel=config.log.level, quiet=True, redirect_stdouts=False, logfile=None
        )
        worker.spinner = None  # the spinner writes cursor codes into logs
        try:
            worker.execute_from_commandline()
        except SystemExit as done:
            if done.code not in (None, 0):
                fatal("Faust ended unexpectedly with the error above; the state is safe")
            raise
        finally:
            traces.close()
