"""The commands about the file of product areas: taxonomy check."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.options import (
    ConfigPath,
    FileFormat,
    Mapping,
    TimeFormat,
    Zone,
    say,
    ticket_file,
    watched,
)
from stream.config.errors import ConfigError
from stream.config.loading import load
from stream.errors import UserError

if TYPE_CHECKING:
    from detectors.policy.taxonomy_coverage import Check, Findings, Fit, Frequent, OnTickets

MOST_LISTED = 20
"""Areas or pairs of them in one list of the text; --json has all."""

taxonomy_app = typer.Typer(no_args_is_help=True, help="Check the file of product areas.")


@taxonomy_app.command("check")
def taxonomy_check(
    file: Annotated[Path, typer.Argument(help="TOML file of product areas.")],
    tickets: Annotated[
        list[str] | None,
        typer.Option(
            help="File of tickets, .jsonl or .csv, also .gz; - for stdin; may be given repeatedly."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same, as JSON.")] = False,
    mapping: Mapping = None,
    timezone: Zone = None,
    time_format: TimeFormat = None,
    file_format: FileFormat = None,
    config: ConfigPath = None,
) -> None:
    """Say whether a file of product areas is right, and how well it fits tickets.

    All mistakes at once; exit code 2 if there are any.
    """
    import msgspec  # noqa: PLC0415 - only this command needs it

    from detectors.policy.taxonomy_coverage import Check, findings  # noqa: PLC0415 - the same
    from stream.config.policy_files.taxonomy import read_taxonomy  # noqa: PLC0415 - the same

    known, mistakes = read_taxonomy(file)
    if mistakes:
        raise ConfigError(mistakes)
    found, rejected = findings(known), Counter[str]()
    if tickets:
        named = [name if name == "-" else str(Path(name).resolve()) for name in tickets]
        if len(set(named)) < len(named):
            raise UserError("a file of tickets was named twice")
        check, most = Check(known), load(config).limits.ticket_bytes
        for name in tickets:
            with ticket_file(name, mapping, timezone, time_format, file_format) as (lines, seen):
                _add(check, watched(lines, seen), most, rejected)
        found = check.findings()
    if as_json:
        told = {"file": str(file), **msgspec.to_builtins(found), "rejected": dict(rejected)}
        say(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        for line in _told(file, found, rejected):
            say(line)


def _add(
    check: "Check", lines: Iterator[tuple[int, bytes]], most: int, rejected: Counter[str]
) -> None:
    """Take in all tickets; those that cannot be read are counted by their reason."""
    from schemas.codec import read_ticket, to_signal  # noqa: PLC0415 - pydantic takes a while
    from schemas.dead_letter import Rejected  # noqa: PLC0415 - the same

    for _, line in lines:
        try:
            if len(line) > most:
                raise Rejected("oversized", f"at most {most} bytes are read")
            ticket = to_signal(read_ticket(line))
        except Rejected as why:
            rejected[why.reason] += 1
            continue
        if ticket.event_type == "created":
            check.add(ticket.area, ticket.text)
        else:
            check.leave_out()


def _told(file: Path, found: "Findings", rejected: Counter[str]) -> Iterator[str]:
    size = found.size
    yield f"{file} is right"
    yield (
        f"{size.products} products, {size.areas} areas, {size.aliases} aliases, "
        f"{size.issue_types} issue types, {size.keywords} keywords"
    )
    if found.overlaps:
        yield from ("", "keywords that cannot tell two areas apart:")
        for one in found.overlaps[:MOST_LISTED]:
            yield f"  {one.one}, {one.other}: {', '.join(one.keywords)}"
        yield from _more(len(found.overlaps))
    if found.on_tickets is not None:
        yield ""
        yield from _told_of_tickets(found.on_tickets, rejected)


def _told_of_tickets(on: "OnTickets", rejected: Counter[str]) -> Iterator[str]:
    said = [f"{on.tickets} tickets"]
    said += [f"{on.left_out} other events left out"] if on.left_out else []
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items()))
    said += [f"lines that cannot be read: {sum(rejected.values())} ({reasons})"] if rejected else []
    yield "; ".join(said)
    yield f"area named: {on.known} known, {on.alias} by an alias, {on.unknown} unknown"
    if on.unknown_names:
        yield f"  most frequent unknown names: {_listed(on.unknown_names)}"
    yield (
        f"no area named: {on.by_rules} placed by rules, {on.ambiguous} ambiguous, "
        f"{on.unplaced} unplaced"
    )
    if on.missing_terms:
        yield f"  most frequent terms of those without a place: {_listed(on.missing_terms)}"
    if on.never and on.tickets:
        shown = ", ".join(on.never[:MOST_LISTED])
        yield f"areas that never fire: {shown}"
        yield from _more(len(on.never))
    if on.ties:
        yield from ("", "areas that tie in the same ticket:")
        for tie in on.ties[:MOST_LISTED]:
            yield f"  {tie.one}, {tie.other}: {tie.tickets} tickets; {', '.join(tie.keywords)}"
    if on.fits:
        yield from ("", "where tickets name an area, the rules say")
        yield f"  the same {on.agree}, another {on.differ}, none {on.undecided}"
        yield ""
        yield from _table(on.fits)


def _listed(names: "Sequence[Frequent]") -> str:
    from schemas.codec import clean  # noqa: PLC0415 - pydantic takes a while to import

    return ", ".join(f"{clean(one.name, 100)} ({one.tickets})" for one in names)


def _more(count: int) -> Iterator[str]:
    if count > MOST_LISTED:
        yield f"  and {count - MOST_LISTED} more"


def _table(fits: "Sequence[Fit]") -> Iterator[str]:
    """In columns, worst first; the first flush left, the others flush right."""
    heads = ("area", "named", "placed", "right", "precision", "recall")
    rows = [
        (
            fit.area,
            *(str(count) for count in (fit.named, fit.placed, fit.right)),
            *("-" if share is None else f"{share:.0%}" for share in (fit.precision, fit.recall)),
        )
        for fit in fits
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join(cells)
