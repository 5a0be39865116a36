"""Commands that run or prepare something: demo, broker, topics, worker, ticker, config."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options import ConfigPath, run_async, say
from stream.config.loading import load
from stream.config.printing import show

config_app = typer.Typer(no_args_is_help=True, help="Check or show the configuration.")
topics_app = typer.Typer(no_args_is_help=True, help="Make the Kafka topics, or check them.")


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End when the incident is resolved; else stay.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Show a spike from ticket to escalation.

    With a broker, workers, six weeks of history, an incident.
    """
    from stream.trial import demo as story  # noqa: PLC0415 - Faust and aiokafka take a second to import

    sys.exit(story.run(config, once=once, say=say))


def broker(
    data: Annotated[
        Path | None, typer.Option(help="Folder for its data; default: a temporary one.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port on 127.0.0.1; default: a free one.")
    ] = None,
) -> None:
    """Run a real single-node Kafka on 127.0.0.1 until Ctrl-C; for trying out and for tests."""
    from stream.trial.broker.local_broker import BrokerSettings, serve  # noqa: PLC0415 - only this command needs it

    sys.exit(serve(BrokerSettings(data_directory=data, port=port), say))


@topics_app.command("create")
def topics_create(config: ConfigPath = None) -> None:
    """Make the topics that are missing."""
    from stream.kafka.topics import create  # noqa: PLC0415 - aiokafka takes a while to import

    made = run_async(create(load(config)))
    say("made: " + ", ".join(made) if made else "all topics are there already")


@topics_app.command("check")
def topics_check(config: ConfigPath = None) -> None:
    """See that all topics are there with the right number of partitions."""
    from stream.kafka.topics import verify  # noqa: PLC0415 - aiokafka takes a while to import

    run_async(verify(load(config)))
    say("all topics are as they must be")


def worker(config: ConfigPath = None) -> None:
    """Run a worker; several share the work.

    It takes in tickets, updates the models and produces escalations.
    """
    from stream.worker.app import run  # noqa: PLC0415 - Faust takes a second to import

    run(load(config))


def ticker(config: ConfigPath = None) -> None:
    """Run the ticker: passes time to quiet areas. One is enough, several do no harm."""
    from stream.worker.ticker import run  # noqa: PLC0415 - aiokafka takes a while to import

    run_async(run(load(config)))


def canary(
    once: Annotated[
        bool, typer.Option("--once", help="One spike; exit code 1 if it does not come back.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Send made-up spikes, and see that each comes back as an escalation; one is enough."""
    from stream.trial.canary import serve  # noqa: PLC0415 - aiokafka takes a while to import

    if not run_async(serve(load(config), once=once)) and once:
        sys.exit(1)


@config_app.command("check")
def config_check(config: ConfigPath = None) -> None:
    """Say whether the configuration is right.

    All mistakes at once; exit code 2 if there are any.
    """
    load(config)
    say("the configuration is right")


@config_app.command("show")
def config_show(config: ConfigPath = None) -> None:
    """Print the configuration in force, as TOML, with secrets masked."""
    say(show(load(config)))
