"""The committed dashboards: up to date, complete, and filtered by their variables."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from prometheus_client import Counter, Gauge, Histogram

from deploy.grafana.generate import written
from stream.notify.delivery.metrics import NotifyMetrics
from stream.worker.metrics import Metrics
from tests.support.dashboards import FILES, annotations, panels, queries, read, variables

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
UIDS: Final = {
    "areas-now.json": "spikewatch-areas",
    "episode.json": "spikewatch-episode",
    "account-team.json": "spikewatch-accounts",
    "quality.json": "spikewatch-quality",
    "operations.json": "spikewatch-operations",
}
SELECTOR: Final = re.compile(r"\b((?:spikewatch|process)_\w+|up)\b(\{[^}]*\})?")
SUFFIXES: Final = ("", "_total", "_bucket", "_count", "_sum")
AREA_VARIABLES: Final = ("product_area", "hottest")
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def declared() -> dict[str, set[str]]:
    """Return the labels of each metric of worker and notify, by its Prometheus name."""
    found: dict[str, set[str]] = {}
    for metrics in (Metrics(), NotifyMetrics()):
        for one in metrics.registry._collector_to_names:
            if isinstance(one, Counter | Gauge | Histogram):
                (described,) = one.describe()
                for suffix in SUFFIXES:
                    found[described.name + suffix] = set(one._labelnames)
    return found


def selectors(expression: str) -> Iterator[tuple[str, str]]:
    """Yield each metric of a query and its label matchers."""
    yield from SELECTOR.findall(expression)


def test_the_committed_dashboards_are_up_to_date() -> None:
    """If they are not, run `make dashboards`."""
    assert {path.name: path.read_text(encoding="utf-8") for path in FILES} == written()


@every_file
def test_a_dashboard_keeps_its_uid_and_accepts_any_data_source(path: Path) -> None:
    """Links use the uid, and a numeric id would belong to another Grafana."""
    dashboard = read(path)
    assert dashboard["uid"] == UIDS[path.name]
    assert dashboard["id"] is None
    assert dashboard["description"]
    assert dashboard["timezone"] == "browser"
    assert dashboard["schemaVersion"] >= 36
    source, *others = variables(dashboard)
    assert (source["name"], source["type"], source["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    wanted = {"type": "prometheus", "uid": "${datasource}"}
    assert all(one["datasource"] == wanted for one in others)
    assert all(one["datasource"] == wanted for one in annotations(dashboard))
    for panel in panels(dashboard):
        assert panel["datasource"] == wanted, panel["title"]
        assert all(target["datasource"] == wanted for target in panel["targets"]), panel["title"]


@every_file
def test_every_panel_has_a_title_a_description_and_a_unit(path: Path) -> None:
    """Every column of a table has a unit too."""
    found = list(panels(read(path)))
    assert found
    assert len({panel["id"] for panel in found}) == len(found)
    for panel in found:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]
        if panel["type"] == "table":
            units = {
                override["matcher"]["options"]
                for override in panel["fieldConfig"]["overrides"]
                if any(p["id"] == "unit" and p["value"] for p in override["properties"])
            }
            assert units == {target["legendFormat"] for target in panel["targets"]}


@every_file
def test_panels_neither_overlap_nor_exceed_the_grid(path: Path) -> None:
    """The grid is 24 units wide."""
    taken: dict[tuple[int, int], str] = {}
    for panel in read(path)["panels"]:
        place = panel["gridPos"]
        x, y = place.get("x", 0), place.get("y", 0)
        assert x + place["w"] <= 24, panel["title"]
        for cell in ((a, b) for a in range(x, x + place["w"]) for b in range(y, y + place["h"])):
            assert cell not in taken, (panel["title"], taken[cell])
            taken[cell] = panel["title"]


@every_file
def test_every_query_is_filtered_by_variables(path: Path) -> None:
    """A query filters by tenant, area and receiver where the metric has them, else by process."""
    dashboard = read(path)
    known = {one["name"]: one for one in variables(dashboard)}
    labels = declared()
    seen = 0
    for asked in queries(dashboard):
        for name, braces in selectors(asked.expression):
            seen += 1
            own = labels[name] if name.startswith("spikewatch_") else set()
            used = set(re.findall(r"\$(\w+)", braces))
            wanted = own & {"tenant", "product_area", "receiver"} or {"instance"}
            for label in wanted:
                of_label = {
                    "product_area": AREA_VARIABLES,
                    "instance": ("process",),
                }.get(label, (label,))
                equal = "=~" if any(known[v]["multi"] for v in of_label if v in known) else "="
                assert any(f'{label}{equal}"${v}"' in braces for v in of_label), str(asked)
            assert used <= known.keys(), str(asked)
            if not own:  # other programs have metrics of the same name
                assert 'job=~"spikewatch.+"' in braces, str(asked)
    assert seen > len(list(panels(dashboard)))


@every_file
def test_multi_value_variables_offer_all(path: Path) -> None:
    """A single-value variable is compared literally, since its value is no regular expression."""
    for one in variables(read(path))[1:]:
        assert one["refresh"] == 2, "new values must appear without a reload of the dashboard"
        if one["multi"]:
            assert one["includeAll"]
            assert one["allValue"] == ".*"
            assert one["current"]["value"] == "$__all"


def test_every_metric_of_the_project_is_on_a_dashboard() -> None:
    """A metric that nobody looks at need not be measured."""
    shown = {
        name
        for path in FILES
        for asked in queries(read(path))
        for name, _ in selectors(asked.expression)
    }
    families = [*Metrics().registry.collect(), *NotifyMetrics().registry.collect()]
    assert families
    assert [f.name for f in families if not {f.name + end for end in SUFFIXES} & shown] == []


def test_every_link_leads_to_an_existing_dashboard() -> None:
    """The uid and the variables of the link exist."""
    by_uid = {found["uid"]: found for found in map(read, FILES)}
    links = [
        link["url"]
        for found in by_uid.values()
        for panel in panels(found)
        for override in panel["fieldConfig"].get("overrides", ())
        for one in override["properties"]
        if one["id"] == "links"
        for link in one["value"]
    ]
    assert links
    for url in links:
        uid, _, rest = url.removeprefix("/d/").partition("?")
        names = {one["name"] for one in variables(by_uid[uid])}
        assert set(re.findall(r"var-(\w+)=", rest)) <= names


def test_compose_agrees_with_the_provisioning() -> None:
    """Paths, hosts and ports agree between the files."""
    compose = _yaml("compose.yaml")
    services = compose["services"]
    sources = {
        one["uid"]: one
        for one in _yaml("grafana/provisioning/datasources/spikewatch.yaml")["datasources"]
    }
    (provider,) = _yaml("grafana/provisioning/dashboards/spikewatch.yaml")["providers"]
    assert sources["spikewatch-prometheus"]["url"] == "http://prometheus:9090"
    assert sources["spikewatch-alertmanager"]["url"] == "http://alertmanager:9093"
    mounts = services["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounts
    assert "./grafana/provisioning:/etc/grafana/provisioning:ro" in mounts
    scraped = {
        target.partition(":")[0]
        for job in _yaml("prometheus/prometheus.yml")["scrape_configs"]
        for one in job["static_configs"]
        for target in one["targets"]
    }
    assert scraped - {"localhost"} <= services.keys()
    assert {"worker-1", "worker-2", "notify", "page"} <= scraped
    for name in ("prometheus", "alertmanager", "grafana"):
        service = services[name]
        assert service["read_only"] is True
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), (
            "the image must have a fixed version"
        )
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for mount in service["volumes"]:
            source, _, rest = mount.partition(":")
            if source.startswith("./"):
                assert rest.endswith(":ro"), mount
                assert (DEPLOY / source).is_dir(), mount
    environment = services["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert environment["GF_SECURITY_ADMIN_PASSWORD"].startswith("${GRAFANA_ADMIN_PASSWORD:?")


def _yaml(name: str) -> Any:
    return msgspec.yaml.decode((DEPLOY / name).read_bytes())
