"""Settings of a topic that its contract forbids, and the command that corrects each."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from schemas.topics import Topics
from stream.config.sections import Config

DAY_MS: Final = 86_400_000

SETTINGS: Final = (
    "cleanup.policy",
    "retention.ms",
    "message.timestamp.type",
    "min.compaction.lag.ms",
)
"""The settings that are checked."""


class Spec(NamedTuple):
    """Required settings of a topic."""

    name: str
    partitions: int
    settings: dict[str, str]


def least_days(topics: Topics) -> dict[str, tuple[int, str]]:
    """Return the fewest days of retention of each topic, and the reason.

    Two days are the memory of the deduplication (`detectors.memory.deduplication`); a ticket whose
    timestamp has only a date may be a day later. A silence may last a year.
    """
    signals = "tickets count up to a day late and are deduplicated for two days"
    transitions = "transitions of episodes and responses are read again after a week"
    return {
        topics.tickets: (3, signals),
        topics.by_tenant: (3, signals),
        topics.dead: (3, "rejected records wait over a weekend to be repaired"),
        topics.escalations: (7, transitions),
        topics.feedback: (7, transitions),
        topics.audit: (7, transitions),
        topics.silences: (366, "a silence may last a year, and would end early"),
    }


def wrong_settings(spec: Spec, actual: Mapping[str, str], config: Config) -> Iterator[str]:
    """Yield one sentence for each setting that the contract of a topic forbids.

    Args:
        spec: The settings that `spikewatch topics create` uses.
        actual: The settings of the topic on the broker; those in `SETTINGS`.
        config: The configuration.
    """
    rewrite_seconds = config.state.rewrite_seconds
    if problem := _policy(spec, actual):
        yield problem + _command(spec, config, "cleanup.policy")
    elif problem := _retention(spec, actual, config):
        yield problem + _command(spec, config, "retention.ms")
    wanted = spec.settings.get("message.timestamp.type")
    timestamps = actual.get("message.timestamp.type", "")
    if wanted and timestamps != wanted:
        yield (
            f"{spec.name} has message.timestamp.type={timestamps}: it must be {wanted}, because "
            "the broker's clock decides what is late"
        ) + _command(spec, config, "message.timestamp.type")
    lag = actual.get("min.compaction.lag.ms") or "0"
    if "min.compaction.lag.ms" in spec.settings and int(lag) <= rewrite_seconds * 1000:
        yield (
            f"{spec.name} has min.compaction.lag.ms={lag}: it must exceed [state] rewrite_seconds "
            f"({rewrite_seconds} s)"
        ) + _command(spec, config, "min.compaction.lag.ms")


def _policy(spec: Spec, actual: Mapping[str, str]) -> str:
    wanted, policy = spec.settings["cleanup.policy"], actual.get("cleanup.policy", "")
    if set(policy.split(",")) == set(wanted.split(",")):
        return ""
    if "compact" not in wanted:
        why = "compaction keeps only the last record of each key, and the others would be lost"
    elif "compact" not in policy:
        why = "records that are still needed would be deleted by age"
    elif "delete" not in wanted:
        why = "records that are still needed would be deleted by age as well"
    else:
        why = "records that nobody needs any more would be kept for ever"
    return f"{spec.name} has cleanup.policy={policy}: it must be {wanted}, because {why}"


def _retention(spec: Spec, actual: Mapping[str, str], config: Config) -> str:
    minimum = least_days(Topics(config.kafka.topic_prefix)).get(spec.name)
    kept = int(actual.get("retention.ms") or -1)
    if minimum is None or kept < 0:  # -1: for ever
        return ""
    days, why = minimum
    if kept >= days * DAY_MS:
        return ""
    return (
        f"{spec.name} has retention.ms={kept}: it must be at least {days * DAY_MS} ({days} days), "
        f"because {why}"
    )


def _command(spec: Spec, config: Config, key: str) -> str:
    value = spec.settings[key]
    if "," in value:
        value = f"[{value}]"
    return (
        f" (kafka-configs.sh --bootstrap-server {config.kafka.bootstrap_servers} --alter "
        f"--entity-type topics --entity-name {spec.name} --add-config {key}={value})"
    )
