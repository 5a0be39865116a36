"""Command group that imports the module of a command only when that command is needed."""

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer._click.shell_completion import CompletionItem
from typer.core import TyperCommand, TyperGroup

from stream.cli.command_table import COMMANDS, CommandEntry

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

AnyCommand = TyperCommand | TyperGroup


def load_command(entry: CommandEntry) -> Any:
    """Import the module of a command and return the command.

    A function with an attribute ``command_class`` becomes a command of that class.
    """
    target = getattr(import_module(f"stream.cli.{entry.module}"), entry.attribute)
    if not isinstance(target, typer.Typer):
        app = typer.Typer(
            add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
        )
        app.command(entry.name, cls=getattr(target, "command_class", None))(target)
        target = app
    command = typer.main.get_command(target)
    command.name = entry.name
    return command


class _LazyCommands(MutableMapping[str, Any]):
    """Commands by name, each imported when it is first looked up."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = load_command(COMMANDS[name])
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class CommandGroup(TyperGroup):
    """The group of all commands of `stream.cli.command_table`.

    Source: the recipe "Lazily Loading Subcommands" of Click's documentation.
    """

    def __init__(self, **attributes: Any) -> None:
        """Accept the attributes that Typer passes, but take the commands from the table."""
        super().__init__(**attributes)
        self.commands = _LazyCommands()

    def list_commands(self, ctx: "Context") -> list[str]:  # noqa: ARG002 - the signature of Click
        """Return the names in the order of the table, without importing a command."""
        return list(COMMANDS)

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:  # noqa: ARG002
        """Write one section per panel from the table, without importing a command."""
        panels: dict[str, list[tuple[str, str]]] = {}
        width = max(map(len, COMMANDS))
        for entry in COMMANDS.values():
            row = (entry.name.ljust(width), entry.summary)
            panels.setdefault(entry.panel, []).append(row)
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)

    def shell_complete(self, ctx: "Context", incomplete: str) -> list[CompletionItem]:
        """Return the completions of a command name, without importing a command."""
        items = [
            CompletionItem(entry.name, help=entry.summary)
            for entry in COMMANDS.values()
            if entry.name.startswith(incomplete)
        ]
        if incomplete.startswith("-"):
            items += super(TyperGroup, self).shell_complete(ctx, incomplete)
        return items
