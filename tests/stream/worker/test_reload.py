"""SIGHUP: taxonomy and playbook are read again; wrong ones leave the old in force."""

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


class Desk:
    """Two files, a configuration that names them, and a worker's state."""

    def __init__(self, folder: Path) -> None:
        """With one area known, and one tenant that has a ticket of it and of another."""
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
        """Its areas, and whether the taxonomy names them."""
        tenant = self.app.ledger.partitions[0].tenants["acme"]
        return {name: series.named for name, series in tenant.areas.items()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Ready to be told."""
    return Desk(tmp_path)


def test_new_files_count_from_the_next_signal_on(desk: Desk) -> None:
    """An area that was named meanwhile is known, the events tell another configuration."""
    assert desk.areas == {"login": True, "billing": False}
    before = desk.app.ledger.settings.config_hash
    desk.taxonomy.write_text(TAXONOMY + '[[area]]\nname = "billing"\n')
    desk.playbook.write_text(PLAYBOOK.replace("support", "billing desk"))
    reload(desk.app, desk.config)
    assert desk.areas == {"login": True, "billing": True}
    settings = desk.app.ledger.partitions[0].settings
    assert settings is desk.app.ledger.settings
    assert settings.config_hash != before
    assert settings.playbook.entries[0].team == "billing desk"


def test_wrong_files_leave_the_old_in_force(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """All mistakes of both are said with their lines, and nothing changes."""
    before = desk.app.ledger.settings
    desk.taxonomy.write_text(TAXONOMY + "colour = 1\n")
    desk.playbook.write_text('[[entry]]\nname = "any"\nseverity = "bad"\n')
    reload(desk.app, desk.config)
    said = capsys.readouterr().out
    assert "taxonomy.toml:4" in said
    assert "playbook.toml:3" in said
    assert "were not reloaded" in said
    assert desk.app.ledger.settings is before
    assert desk.areas == {"login": True, "billing": False}


def test_the_signal_does_it(desk: Desk) -> None:
    """A SIGHUP to the process is enough."""
    listen(desk.app, desk.config)
    tasks: list[Callable[[], Awaitable[None]]] = desk.app.tasks

    async def hang_up() -> None:
        await tasks[0]()
        desk.taxonomy.write_text(TAXONOMY + '[[area]]\nname = "billing"\n')
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(5):
            while not desk.areas["billing"]:
                await asyncio.sleep(0.01)

    asyncio.run(hang_up())
