"""The commands ``spikewatch topics create``, ``check`` and ``list``."""

import asyncio

import typer

from stream.cli.options import AsJson, ConfigPath
from stream.cli.output import aligned, say, say_json
from stream.config.loading import load
from stream.kafka.topics import create, specs, verify

topics_app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Create, check or list the Kafka topics.",
)


@topics_app.command("create")
def topics_create(config: ConfigPath = None) -> None:
    """Create the missing topics."""
    created = asyncio.run(create(load(config)))
    say("created: " + ", ".join(created) if created else "all topics exist already")


@topics_app.command("check")
def topics_check(as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Check that all topics exist and are configured as required.

    Otherwise reports every problem and exits with code 1.
    """
    loaded = load(config)
    asyncio.run(verify(loaded))
    if as_json:
        say_json({"topics": [spec.name for spec in specs(loaded)], "correct": True})
    else:
        say("all topics exist and are configured as required")


@topics_app.command("list")
def topics_list(as_json: AsJson = False, config: ConfigPath = None) -> None:
    """List all required topics with their partitions and settings; needs no broker."""
    listed = specs(load(config))
    if as_json:
        say_json([spec._asdict() for spec in listed])
        return
    rows = [
        (spec.name, str(spec.partitions), " ".join(f"{k}={v}" for k, v in spec.settings.items()))
        for spec in listed
    ]
    for line in aligned((("topic", "partitions", "settings"), *rows), left=(0, 2)):
        say(line)
