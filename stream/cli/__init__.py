"""The command ``spikewatch``. Each subcommand does one thing that a user would name.

Exit codes: 0 done; 1 something you can mend, said in a sentence; 2 the command line or the
configuration is wrong; 70 a worker had to stop at once (restart it, the state is safe); 130
interrupted.
"""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from stream.cli import (
    backtest,
    episodes,
    evaluate,
    forensics,
    notify,
    processes,
    report,
    taxonomy,
    tickets,
    views,
)
from stream.cli.options import say
from stream.config.errors import ConfigError
from stream.errors import UserError
from stream.kafka import log_throttle

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Watches support tickets as they arrive and says, within minutes and with evidence, that "
    "something broke. Try: spikewatch demo --once",
)
app.command()(processes.demo)
app.command()(processes.broker)
app.add_typer(processes.topics_app, name="topics")
app.command()(processes.worker)
app.command()(processes.ticker)
app.command()(processes.canary)
app.command()(tickets.send)
app.command()(tickets.simulate)
app.command()(views.tail)
app.command()(views.page)
app.command()(tickets.replay)
app.command()(report.report)
app.command()(evaluate.evaluate)
app.command()(backtest.advise)
app.command()(notify.notify)
app.command()(notify.route)
app.command()(episodes.ack)
app.command()(episodes.snooze)
app.command()(episodes.silence)
app.command()(episodes.verdict)
app.command()(episodes.note)
app.command()(episodes.episodes)
app.command()(episodes.history)
app.command()(forensics.explain)
app.command("why-not")(forensics.why_not)
app.add_typer(taxonomy.taxonomy_app, name="taxonomy")
app.add_typer(processes.config_app, name="config")


def main() -> None:
    """Entry point: run the command, and turn what a user can mend into one sentence."""
    log_throttle.install()
    try:
        app()
    except ConfigError as error:
        _complain(str(error))
        sys.exit(2)
    except UserError as error:
        _complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def _complain(text: str) -> None:
    sys.stderr.write(f"spikewatch: {text}\n")


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"spikewatch {version('spikewatch')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say which release."),
    ] = False,
) -> None:
    """Options of spikewatch itself."""
