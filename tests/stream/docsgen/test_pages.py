"""Test that the generated reference pages are up to date and complete."""

import re
import tomllib
from pathlib import Path

import pytest

from stream.cli.command_table import COMMANDS
from stream.config.loading import load
from stream.config.sections import Config
from stream.docsgen import cli_page, configuration_page, events_page, topics_page
from stream.docsgen.pages import PAGES
from stream.kafka.topics import specs


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_page_is_up_to_date(path: Path) -> None:
    """`make generate` writes every page."""
    assert path.read_text(encoding="utf-8") == PAGES[path](), "the page is stale: run make generate"


def test_every_command_is_on_the_page() -> None:
    """Each command is listed with its options, except hidden options."""
    text = cli_page.page()
    for name in COMMANDS:
        assert f"\n### spikewatch {name}" in text
    assert "`--warm-up DURATION`" in text
    assert "--status" not in text


def test_every_key_on_the_page_is_described_in_a_sentence() -> None:
    """The meaning of a key starts with a capital and ends with a full stop."""
    text = configuration_page.page()
    for name in Config.model_fields:
        section = type(getattr(Config(), name))
        assert f"\n## [{name}]\n" in text
        assert (section.__doc__ or "").strip().endswith(".")
        for key, field in section.model_fields.items():
            meaning = field.description or ""
            assert re.fullmatch(r"[A-Z].{15,}\.", meaning), f"{name}.{key}: {meaning}"
            assert meaning in text


def test_the_example_is_the_default_configuration(tmp_path: Path) -> None:
    """This holds for the example as it is, and after every key in it is uncommented."""
    text = configuration_page.example()
    assert all(not section for section in tomllib.loads(text).values())
    file = tmp_path / "spikewatch.toml"
    file.write_text(re.sub(r"(?m)^#(?=\w)", "", text), encoding="utf-8")
    assert load(file, {}) == Config()


def test_every_topic_is_on_the_page() -> None:
    """Each topic is listed with its contents."""
    rows = [line.split("|") for line in topics_page.page().splitlines() if line.startswith("| `")]
    assert [row[1].strip(" `") for row in rows] == [spec.name for spec in specs(Config())]
    assert all(len(row[5].split()) >= 3 for row in rows)


def test_every_linked_model_has_a_heading() -> None:
    """Every link to a model on the page of events leads to a heading."""
    text = events_page.page()
    headings = {match.lower() for match in re.findall(r"(?m)^#+ (\w+)$", text)}
    assert set(re.findall(r"\(#(\w+)\)", text)) <= headings
