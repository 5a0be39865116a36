"""Settings of topics that their contracts forbid."""

from typing import Any

import pytest

from schemas.topics import Topics
from stream.config.sections import Config
from stream.kafka.topic_settings import DAY_MS, least_days, wrong_settings
from stream.kafka.topics import specs
from tests.support.kafka_rig import Rig
from tests.support.topic_admin import configure


def problems(name: str, **changes: str) -> list[str]:
    """Return the problems of a topic whose settings are as created, but for some."""
    config = Config()
    spec = next(spec for spec in specs(config) if spec.name == getattr(Topics(), name))
    changed = {key.replace("_", "."): value for key, value in changes.items()}
    return list(wrong_settings(spec, spec.settings | changed, config))


def test_every_topic_that_expires_is_created_with_more_than_the_least_retention() -> None:
    """A topic without a minimum is compacted and never expires."""
    minimums = least_days(Topics())
    for spec in specs(Config()):
        if "delete" in spec.settings["cleanup.policy"]:
            assert int(spec.settings["retention.ms"]) > minimums[spec.name][0] * DAY_MS
        else:
            assert "retention.ms" not in spec.settings
        assert not list(wrong_settings(spec, spec.settings, Config()))


@pytest.mark.parametrize("policy", ["compact", "compact,delete", "delete,compact"])
@pytest.mark.parametrize("name", ["tickets", "by_tenant", "dead", "escalations", "feedback"])
def test_compaction_is_forbidden_where_every_record_counts(name: str, policy: str) -> None:
    """The sentence says why, and how to correct it."""
    (problem,) = problems(name, cleanup_policy=policy)
    assert "it must be delete, because compaction keeps only the last record" in problem
    assert "--add-config cleanup.policy=delete" in problem


def test_a_topic_of_state_must_be_compacted_only() -> None:
    """State has no age, and the order of the policies does not matter."""
    assert "deleted by age" in problems("notified", cleanup_policy="delete")[0]
    assert "deleted by age" in problems("notified", cleanup_policy="compact,delete")[0]
    assert "kept for ever" in problems("silences", cleanup_policy="compact")[0]
    assert "cleanup.policy=[compact,delete]" in problems("silences", cleanup_policy="delete")[0]
    assert not problems("silences", cleanup_policy="delete,compact")


@pytest.mark.parametrize(("name", "days"), [("tickets", 3), ("escalations", 7), ("silences", 366)])
def test_a_retention_below_the_minimum_is_forbidden(name: str, days: int) -> None:
    """The minimum itself and an unlimited retention are allowed."""
    (problem,) = problems(name, retention_ms=str(days * DAY_MS - 1))
    assert f"it must be at least {days * DAY_MS} ({days} days), because " in problem
    assert "--add-config retention.ms=" in problem
    assert not problems(name, retention_ms=str(days * DAY_MS))
    assert not problems(name, retention_ms="-1")


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("tickets", {"cleanup_policy": "compact"}),
        ("by_tenant", {"retention_ms": "60000", "message_timestamp_type": "LogAppendTime"}),
        ("notified", {"cleanup_policy": "delete"}),
    ],
)
def test_forbidden_settings_are_refused(rig: Rig, name: str, settings: dict[str, Any]) -> None:
    """`topics check` and the worker name the topic, and accept it once it is corrected."""
    rig.create_topics()
    topic = getattr(rig.topics, name)
    configure(rig, topic, **settings)
    for command in (("topics", "check"), ("worker",)):
        done = rig.run(*command)
        assert done.returncode == 1
        assert done.stderr.count(f"{topic} has ") == 1
        assert f"--entity-name {topic} --add-config" in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
    created = next(spec.settings for spec in specs(rig.config) if spec.name == topic)
    configure(rig, topic, **{key.replace(".", "_"): value for key, value in created.items()})
    assert rig.run("topics", "check").returncode == 0
