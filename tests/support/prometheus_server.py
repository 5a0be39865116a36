"""A real Prometheus with the configuration of deploy/, whose targets are ports of a test."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from tests.support.kafka_rig import free_port
from tests.support.programs import program

SHIPPED: Final = Path(__file__).parents[2] / "deploy" / "prometheus"


class QueryError(Exception):
    """Prometheus rejected a query; the text is its error message."""


class Prometheus:
    """A Prometheus process with a folder of its own, to be used in ``with``."""

    def __init__(self, folder: Path, targets: Mapping[str, str], interval: str) -> None:
        """Prepare the configuration without starting the process.

        Args:
            folder: Folder for the configuration and the data.
            targets: Each target of the shipped configuration with the target that replaces it.
            interval: Interval between two scrapes, such as "1s".
        """
        self._program = program("prometheus", package="prometheus")
        self._folder = folder / "prometheus"
        shutil.copytree(SHIPPED, self._folder)
        self.port = free_port()
        path = self._folder / "prometheus.yml"
        text = path.read_text(encoding="utf-8")
        for shipped, here in {**targets, "localhost:9090": f"127.0.0.1:{self.port}"}.items():
            assert shipped in text, f"{shipped} is no target of {SHIPPED.name}/prometheus.yml"
            text = text.replace(shipped, here)
        path.write_text(text.replace(": 15s", f": {interval}"), encoding="utf-8")

    def __enter__(self) -> Self:
        """Start the process, and wait until it is ready."""
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            [
                str(self._program),
                f"--config.file={self._folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 30.0
        while not self._ready():
            log = (self._folder / "log").read_text(errors="replace")[-2000:]
            assert self._process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the process."""
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def instant(self, expression: str) -> list[dict[str, Any]]:
        """Return the current result of *expression*."""
        return self._result("query", {"query": expression})

    def over_time(self, expression: str, seconds: float, step: float) -> list[dict[str, Any]]:
        """Return the result of *expression* over the last *seconds*."""
        now = time.time()
        return self._result(
            "query_range",
            {"query": expression, "start": f"{now - seconds}", "end": f"{now}", "step": f"{step}"},
        )

    def label_values(self, selector: str, label: str) -> list[str]:
        """Return the values of *label* over the series of *selector*, sorted."""
        parameters = {"match[]": selector, "start": f"{time.time() - 300}"}
        values: list[str] = self._get(f"label/{label}/values", parameters)["data"]
        return values

    def _result(self, what: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self._get(what, parameters)["data"]["result"]
        return result

    def _get(self, what: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                body: dict[str, Any] = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise QueryError(f"{parameters}: {error.read().decode()}") from None
        assert body["status"] == "success", (parameters, body)
        return body

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=2):
                return True
        except OSError:
            return False
