"""Prometheus rules and metrics, checked by promtool."""

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from detectors.policy.settings import Settings
from detectors.simulation.tickets import Incident, World
from detectors.step.partition import Partition
from stream.docsgen.metrics_page import page
from stream.notify.delivery.metrics import NotifyMetrics
from stream.page.service import PageMetrics
from stream.trial.canary import CanaryMetrics
from stream.worker.metrics import Metrics
from tests.support.programs import program
from tests.support.stories import MONDAY, signals

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules/spikewatch.yml"
RUNBOOK = ROOT / "docs/reference/runbook.md"
CASES = Path(__file__).with_name("rules_test.yml")


def promtool(*arguments: str, given: bytes | None = None, folder: Path | None = None) -> str:
    """Run promtool, require that it succeeds, and return its output."""
    done = subprocess.run(
        [str(program("promtool", package="prometheus")), *arguments],
        input=given,
        cwd=folder,
        capture_output=True,
        timeout=120,
        check=False,
    )
    output = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, output
    return output


def rules() -> list[dict[str, Any]]:
    """Return all rules."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def worker_metrics() -> Metrics:
    """Return the metrics of a worker after a week with an incident."""
    settings = Settings()
    partition = Partition(0, 0, settings)
    metrics = Metrics()
    areas = {"login": 12.0, "billing": 5.0}
    incident = Incident("login", MONDAY + 6 * 86_400.0 + 36_000.0, 1.0, 9.0)
    world = World(start=MONDAY, hours=6 * 24.0 + 11.0, areas=areas, seed=2, incidents=(incident,))
    for signal in signals(world):
        metrics.record_step(signal, partition.take(signal, signal.created_at), signal.created_at)
    metrics.record_chunk(0.001, time.time())
    metrics.update_state([partition], time.time())
    metrics.update_progress(ready=True, lag={"tickets": 0})
    metrics.update_settings(settings.config_hash)
    return metrics


def registries() -> list[CollectorRegistry]:
    """Return the registries of all processes."""
    mine = (NotifyMetrics(), CanaryMetrics(), PageMetrics())
    return [worker_metrics().registry, *(one.registry for one in mine)]


def test_every_alert_has_a_case_that_fires_and_one_that_does_not(tmp_path: Path) -> None:
    """promtool accepts the rules and passes their test cases."""
    shutil.copy(RULES, tmp_path)
    shutil.copy(CASES, tmp_path)
    promtool("check", "rules", RULES.name, folder=tmp_path)
    promtool("test", "rules", CASES.name, folder=tmp_path)
    cases = yaml.safe_load(CASES.read_text())["tests"]
    alert_cases = [case for test in cases for case in test.get("alert_rule_test", ())]
    fire = {case["alertname"] for case in alert_cases if case["exp_alerts"]}
    silent = {case["alertname"] for case in alert_cases if not case["exp_alerts"]}
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert fire == alerts
    assert silent == alerts - {"SpikewatchWatchdog"}  # the watchdog always fires


def test_a_wrong_rule_is_detected(tmp_path: Path) -> None:
    """The test above fails if a threshold is changed."""
    shutil.copy(CASES, tmp_path)
    spoilt = RULES.read_text().replace("> 300", "> 3000000")
    (tmp_path / RULES.name).write_text(spoilt)
    with pytest.raises(AssertionError, match="SpikewatchWatermarkStuck"):
        promtool("test", "rules", CASES.name, folder=tmp_path)


def test_every_alert_has_a_section_in_the_runbook() -> None:
    """The link of each alert leads to its section."""
    headings = re.findall(r"^## (.+)$", RUNBOOK.read_text(), re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    links = [rule["annotations"]["runbook_url"] for rule in rules() if "alert" in rule]
    assert {link.partition("#")[2] for link in links} == anchors
    assert all(link.startswith("docs/reference/runbook.md#") for link in links)


@pytest.mark.slow
def test_every_metric_in_a_rule_is_exported() -> None:
    """Rules use metrics under the names that are scraped."""
    names = {
        sample.name
        for registry in registries()
        for family in registry.collect()
        for sample in family.samples
    }
    families = {family.name for registry in registries() for family in registry.collect()}
    known = names | families | {f"{name}_total" for name in families}
    known |= {f"{name}_bucket" for name in families}
    for rule in rules():
        for name in re.findall(r"\bspikewatch_\w+", rule["expr"]):
            assert name in known, name


def test_metric_names_and_help_pass_promtool() -> None:
    """promtool checks the metrics of all processes."""
    for registry in registries():
        promtool("check", "metrics", given=generate_latest(registry))


def test_labels_contain_no_ids_and_no_untrusted_text() -> None:
    """Label names come from a closed list, and at most two hundred areas have labels."""
    allowed = {
        "outcome", "reason", "transition", "severity", "tenant", "product_area", "guard", "how",
        "partition", "topic", "version", "config_hash", "verdict", "receiver", "send", "le",
        "field", "tier",
    }  # fmt: skip
    for registry in registries():
        for family in registry.collect():
            for sample in family.samples:
                assert set(sample.labels) <= allowed, sample


def test_the_metrics_page_lists_every_metric_once() -> None:
    """Each metric has a meaning; `make generate` writes the page."""
    rows = [line.split("|") for line in page().splitlines() if line.startswith("| `")]
    names = [row[1].strip() for row in rows]
    assert len(names) == len(set(names))
    assert all(len(row[5].strip()) > 10 for row in rows)


@pytest.mark.slow
def test_the_endpoint_stays_small_with_five_thousand_areas() -> None:
    """Only two hundred areas have labels, so the response stays below two megabytes."""
    settings = Settings(areas_per_tenant=6_000)
    partition = Partition(0, 0, settings)
    world = World(start=MONDAY, hours=3.0, areas={"login": 60.0}, seed=2)
    template = signals(world)[0]
    for number in range(5_000):
        ticket = msgspec.structs.replace(
            template, ticket_id=f"t{number}", event_id=None, area=f"area {number}", customer=None,
            created_at=MONDAY + number,
        )  # fmt: skip
        partition.take(ticket, ticket.created_at)
    metrics = Metrics()
    metrics.update_state([partition], time.time())
    written = generate_latest(metrics.registry)
    assert len(written) < 2_000_000
    assert written.count(b"spikewatch_tickets_expected{") <= 201
