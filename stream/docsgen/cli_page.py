"""Reference page of the command line, generated from the commands."""

import re
from collections.abc import Iterator
from typing import Any, Final

from stream.cli.command_table import COMMANDS
from stream.cli.lazy_group import load_command
from stream.docsgen.markdown import GENERATED, table


def page() -> str:
    """Return the page as Markdown."""
    lines = [
        "# Command line",
        "",
        GENERATED,
        "",
        "`spikewatch COMMAND --help`, or `-h`, prints the same text. "
        "`spikewatch --install-completion` installs completion for your shell. All commands use "
        "the same [exit codes](exit-codes.md).",
    ]
    panel = ""
    for entry in COMMANDS.values():
        if entry.panel != panel:
            panel = entry.panel
            lines += ["", f"## {panel}"]
        lines += _command(entry.name, load_command(entry))
    return "\n".join(lines) + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is not None:
        for subname, each in inner.items():
            yield from _command(f"{name} {subname}", each)
        return
    context = command.context_class(command, info_name=name)
    usage = " ".join(piece for piece in command.collect_usage_pieces(context) if piece)
    yield from ("", f"### spikewatch {name}", "", "```text", f"spikewatch {name} {usage}", "```")
    for paragraph in (command.help or "").split("\n\n"):
        yield from ("", " ".join(paragraph.split()))
    rows = []
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and not getattr(parameter, "hidden", False):
            rows.append((f"`{_spelling(record[0])}`", record[1].replace("<", "&lt;")))
    if rows:
        yield ""
        yield from table(("argument or option", "meaning"), rows)


_KINDS: Final = {"str": "TEXT", "path": "FILE", "int": "NUMBER", "float": "NUMBER"}


def _spelling(text: str) -> str:
    """Return an option with a placeholder in capitals for its value, such as ``--rate NUMBER``."""
    if not text.startswith("-"):
        return re.sub(r" <[^>]*>", "", text)
    return re.sub(r"<(\w+)(?: range)?>", lambda kind: _KINDS.get(kind[1], "VALUE"), text)
