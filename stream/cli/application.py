"""Entry point of ``spikewatch``: its global options, and error messages without tracebacks."""

import contextlib
import errno
import sys
from typing import Annotated

import typer

from stream.cli.checked_writer import ClosedPipeError, check_standard_output
from stream.cli.command_table import COMMANDS
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


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main() -> None:
    """Run the command line; print an error that the user can fix without its traceback."""
    log_throttle.install()
    check_standard_output()
    try:
        app()
    except ConfigError as error:
        _complain(str(error))
        sys.exit(2)
    except UserError as error:
        _complain(str(error))
        sys.exit(1)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _complain(
            f"{error.filename or 'a temporary file'} cannot be written: {error.strerror}; free "
            "some space, or set TMPDIR to a folder with more"
        )
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except ClosedPipeError as error:
        if not _is_process(sys.argv[1:]):
            sys.exit(0)  # the reader has all that it wanted, as in `spikewatch episodes | head`
        _complain(f"stopped because {error}: start the process with another standard output")
        sys.exit(1)


def _is_process(arguments: list[str]) -> bool:
    """Return whether the command runs until it is stopped, so its end must not look intended."""
    entry = COMMANDS.get(arguments[0]) if arguments else None
    return entry is not None and entry.runs_until_stopped


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):  # standard error may be full or closed, too
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
