"""Creation of topics, and verification of their settings before anything relies on them."""

from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code

from schemas.topics import Topics
from stream.config.sections import Config
from stream.errors import UserError
from stream.kafka.clients import kafka_client_options
from stream.kafka.topic_settings import DAY_MS, SETTINGS, Spec, wrong_settings

MOST_BATCH_BYTES: Final = 1_048_588
"""Most bytes of a batch, compressed, that other programs may send; the default of Kafka."""


def specs(config: Config) -> list[Spec]:
    """Return the required settings of all topics.

    The broker sets the timestamps of ``tickets.by-tenant``, against which the lateness of live
    tickets is measured. The audit trail is kept longer than a year, because questions may come
    late. The topics of notify's state and of silences are compacted, since only the last record per
    key matters. The size of batches is limited where other programs write. The changelog is
    compacted, never deleted from, and not compacted before every record has been written again (see
    `detectors.state.snapshots`).
    """
    topics = Topics(config.kafka.topic_prefix)
    count = config.kafka.partitions
    two_weeks, quarter, audited = (
        {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS)} for days in (14, 90, 400)
    )
    of_others = {"max.message.bytes": str(MOST_BATCH_BYTES)}
    all_specs = [
        Spec(topics.tickets, count, two_weeks | of_others),
        Spec(topics.by_tenant, count, {**two_weeks, "message.timestamp.type": "LogAppendTime"}),
        Spec(topics.dead, 1, two_weeks),
        Spec(topics.escalations, count, quarter),
        Spec(topics.feedback, count, quarter | of_others),
        Spec(topics.audit, count, audited),
        Spec(topics.notified, count, {"cleanup.policy": "compact"}),
        Spec(
            topics.silences,
            1,
            {"cleanup.policy": "compact,delete", "retention.ms": str(400 * DAY_MS)},
        ),
        Spec(
            topics.changelog(config.kafka.group),
            count,
            {
                "cleanup.policy": "compact",
                "min.compaction.lag.ms": str(config.state.compaction_lag_seconds * 1000),
            },
        ),
    ]
    if config.kafka.replication_factor >= 3:
        all_specs = [
            s._replace(settings={**s.settings, "min.insync.replicas": "2"}) for s in all_specs
        ]
    return all_specs


async def create(config: Config) -> list[str]:
    """Create missing topics and return the names of the new topics.

    Raises:
        UserError: No broker responds, or the broker refuses to create a topic.
    """
    async with _Admin(config) as admin:
        existing = await admin.list_topics()
        missing = [spec for spec in specs(config) if spec.name not in existing]
        new = [
            NewTopic(
                spec.name,
                spec.partitions,
                config.kafka.replication_factor,
                topic_configs=spec.settings,
            )
            for spec in missing
        ]
        if not new:
            return []
        answer = await admin.create_topics(new)
        for name, code, *message in answer.topic_errors:
            if code not in (0, 36):  # 36: another client just created it
                text = message[0] if message and message[0] else for_code(code).__name__
                raise UserError(f"topic {name} cannot be created: {text}")
        return [spec.name for spec in missing]


async def verify(config: Config) -> None:
    """Check that all topics exist with the right settings.

    Raises:
        UserError: No broker responds, or topics are wrong; the text lists all problems.
    """
    async with _Admin(config) as admin:
        existing = set(await admin.list_topics())
        wanted = specs(config)
        wrong = []
        if missing := [spec.name for spec in wanted if spec.name not in existing]:
            wrong.append(
                f"missing: {', '.join(missing)}; create them with: spikewatch topics create"
            )
        described = await admin.describe_topics([s.name for s in wanted if s.name in existing])
        counts = {topic["topic"]: len(topic["partitions"]) for topic in described}
        for spec in wanted:
            count = counts.get(spec.name, spec.partitions)
            if count != spec.partitions:
                wrong.append(
                    f"{spec.name} has {count} partitions instead of {spec.partitions}: set [kafka] "
                    f"partitions = {count}, or another [kafka] topic_prefix and group"
                )
        there_now = [spec for spec in wanted if spec.name in existing]
        wrong += await _wrong_settings(admin, config, there_now)
        if wrong:
            raise UserError("the topics have wrong settings. " + "; ".join(wrong))


async def _wrong_settings(admin: Any, config: Config, existing: list[Spec]) -> list[str]:
    """Return what is wrong with the settings of existing topics."""
    if not existing:
        return []
    asked = [
        ConfigResource(ConfigResourceType.TOPIC, spec.name, configs=dict.fromkeys(SETTINGS, ""))
        for spec in existing
    ]
    actual: dict[str, dict[str, str]] = {}
    wrong = []
    for answer in await admin.describe_configs(asked):
        for code, _, _, name, entries in answer.resources:
            if code:
                wrong.append(
                    f"the settings of {name} cannot be read ({for_code(code).__name__}): allow "
                    "DESCRIBE_CONFIGS on this topic"
                )
            else:
                actual[name] = {entry[0]: entry[1] for entry in entries}
    for spec in existing:
        if spec.name in actual:
            wrong += wrong_settings(spec, actual[spec.name], config)
    return wrong


class _Admin:
    """Admin client for an ``async with``, whose failures become `UserError`."""

    def __init__(self, config: Config) -> None:
        self._servers = config.kafka.bootstrap_servers
        self._options = kafka_client_options(config)

    async def __aenter__(self) -> Any:
        self._client = AIOKafkaAdminClient(**self._options, request_timeout_ms=10_000)
        try:
            await self._client.start()
        except KafkaConnectionError:
            await self._client.close()
            raise UserError(no_broker(self._servers)) from None
        except KafkaError as error:
            await self._client.close()
            raise UserError(f"Kafka at {self._servers} refused the request: {error}") from None
        return self._client

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await self._client.close()
        if isinstance(error, KafkaError):
            raise UserError(f"Kafka at {self._servers} refused the request: {error}") from None


def no_broker(servers: str) -> str:
    """Return the error message for when no broker responds."""
    return (
        f"no Kafka broker responds at {servers}: start one with 'spikewatch broker', or set "
        "[kafka] bootstrap_servers (SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS) to a running broker"
    )
