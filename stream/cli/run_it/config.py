"""The commands ``spikewatch config check`` and ``config show``."""

import typer

from stream.cli.options import ConfigPath
from stream.cli.output import say
from stream.config.loading import load
from stream.config.printing import show

config_app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Check or show the configuration.",
)


@config_app.command("check")
def config_check(config: ConfigPath = None) -> None:
    """Check the configuration and the files that it names.

    Reports all mistakes at once and exits with code 2 if there are any.
    """
    load(config)
    say("the configuration is valid")


@config_app.command("show")
def config_show(config: ConfigPath = None) -> None:
    """Print the effective configuration as TOML, with secrets masked."""
    say(show(load(config)))
