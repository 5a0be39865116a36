"""Entry point of ``spikewatch``: its global options, and error messages without tracebacks."""

import sys
from typing import Annotated

import typer

from stream.cli.lazy_group import CommandGroup
from stream.errors import ConfigError, UserError
from stream.kafka import log_throttle

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Watch support tickets as they arrive and page on-call, with evidence, when complaint "
    "rates spike. Start with: spikewatch demo --once",
)


def main() -> None:
    """Run the command line; print an error that the user can fix without its traceback."""
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


def _show_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version  # noqa: PLC0415 - takes as long as printing the help

        typer.echo(f"spikewatch {version('spikewatch')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Accept the global options of spikewatch."""
