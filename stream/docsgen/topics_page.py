"""Reference page of the Kafka topics, generated from their specifications."""

from schemas.topics import Topics
from stream.config.sections import Config
from stream.docsgen.markdown import GENERATED, sentence, table
from stream.kafka.topic_settings import DAY_MS, Spec
from stream.kafka.topics import specs


def page() -> str:
    """Return the page as Markdown."""
    config = Config()
    topics = Topics(config.kafka.topic_prefix)
    descriptions = {
        getattr(topics, name): sentence(attribute.__doc__)
        for name, attribute in vars(Topics).items()
        if isinstance(attribute, property)
    }
    descriptions[topics.changelog(config.kafka.group)] = sentence(Topics.changelog.__doc__)
    lines = [
        "# Topics",
        "",
        GENERATED,
        "",
        "`spikewatch topics create` creates the topics, `spikewatch topics check` compares them "
        "with the required settings, and `spikewatch topics list` prints this table for your "
        "configuration. `[kafka] topic_prefix` is prepended to every name; `[kafka] partitions` "
        "sets the number of partitions where this table says 4. [Events](events.md) describes "
        "the records.",
        "",
    ]
    rows = [
        (
            f"`{spec.name}`",
            str(spec.partitions),
            _kept(spec),
            _settings(spec),
            descriptions[spec.name],
        )
        for spec in specs(config)
    ]
    lines += table(("topic", "partitions", "retention", "settings", "content"), rows)
    lines += [
        "",
        "With a replication factor of 3 or more, `min.insync.replicas` is 2. The state topic is "
        "compacted only after every record has been written again (`[state]`), and records are "
        "never deleted from it by age.",
    ]
    return "\n".join(lines) + "\n"


def _kept(spec: Spec) -> str:
    retention = spec.settings.get("retention.ms")
    return f"{int(retention) // DAY_MS} days" if retention else "for ever"


def _settings(spec: Spec) -> str:
    return ", ".join(
        f"`{key}={value}`" for key, value in spec.settings.items() if key != "retention.ms"
    )
