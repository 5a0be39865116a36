"""Test that SIGHUP reloads taxonomy and playbook, and that invalid files change nothing."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from detectors.step.partition import Partition
from schemas.signals import Ticket
from schemas.topics import Topics
from stream.config.loading import load
from stream.config.sections import Config
from stream.config.step_settings import settings_of
from stream.engine.assignment import Assignment
from stream.worker.app import listen, reload

TAXONOMY = '[[area]]\nname = "login"\naliases = ["sso"]\n'
PLAYBOOK = '[[entry]]\nname = "any"\nteam = "support"\n'


class Worker:
    """A worker's state with a configuration that names a taxonomy and a playbook."""

    def __init__(self, folder: Path) -> None:
        """Create a taxonomy of one area, and a tenant with a ticket of that area and of another."""
        self.taxonomy, self.playbook = folder / "taxonomy.toml", folder / "playbook.toml"
        self.taxonomy.write_text(TAXONOMY)
        self.playbook.write_text(PLAYBOOK)
        (folder / "spikewatch.toml").write_text(
            f'[text]\ntaxonomy = "{self.taxonomy}"\nplaybook = "{self.playbook}"\n'
        )
        self.config: Config = load(folder / "spikewatch.toml", environ={})
        ledger = Assignment(Topics(""), settings_of(self.config))
        partition = Partition(0, 1, ledger.settings)
        for number, area in enumerate(("sso", "billing")):
            partition.take(Ticket("acme", str(number), number * 60.0, area))
        ledger.partitions[0] = partition
        self.app: Any = SimpleNamespace(ledger=ledger, tasks=[])
        self.app.task = self.app.tasks.append

    @property
    def areas(self) -> dict[str, bool]:
        """Return the tenant's areas, and whether the taxonomy names them."""
        tenant = self.app.ledger.partitions[0].tenants["acme"]
        return {name: series.named for name, series in tenant.areas.items()}


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    """Return a worker that is ready for the signal."""
    return Worker(tmp_path)


def test_new_files_apply_from_the_next_signal_on(worker: Worker) -> None:
    """An area that was added is known, and the events have another configuration hash."""
    assert worker.areas == {"login": True, "billing": False}
    before = worker.app.ledger.settings.config_hash
    worker.taxonomy.write_text(TAXONOMY + '[[area]]\nname = "billing"\n')
    worker.playbook.write_text(PLAYBOOK.replace("support", "billing desk"))
    reload(worker.app, worker.config)
    assert worker.areas == {"login": True, "billing": True}
    settings = worker.app.ledger.partitions[0].settings
    assert settings is worker.app.ledger.settings
    assert settings.config_hash != before
    assert settings.playbook.entries[0].team == "billing desk"


def test_invalid_files_leave_the_old_ones_in_force(
    worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    """All errors of both files are reported with their lines, and nothing changes."""
    before = worker.app.ledger.settings
    worker.taxonomy.write_text(TAXONOMY + "colour = 1\n")
    worker.playbook.write_text('[[entry]]\nname = "any"\nseverity = "bad"\n')
    reload(worker.app, worker.config)
    output = capsys.readouterr().out
    assert "taxonomy.toml:4" in output
    assert "playbook.toml:3" in output
    assert "were not reloaded" in output
    assert worker.app.ledger.settings is before
    assert worker.areas == {"login": True, "billing": False}


def test_sighup_triggers_the_reload(worker: Worker) -> None:
    """A SIGHUP to the process is sufficient."""
    listen(worker.app, worker.config)
    tasks: list[Callable[[], Awaitable[None]]] = worker.app.tasks

    async def hang_up() -> None:
        await tasks[0]()
        worker.taxonomy.write_text(TAXONOMY + '[[area]]\nname = "billing"\n')
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(5):
            while not worker.areas["billing"]:
                await asyncio.sleep(0.01)

    asyncio.run(hang_up())
