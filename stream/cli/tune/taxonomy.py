"""The command ``spikewatch taxonomy check``."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from detectors.policy.taxonomy_coverage import Check, Findings, Fit, Frequent, OnTickets, findings
from schemas.codec import clean, read_ticket, to_signal
from schemas.dead_letter import DeadReason, Rejected
from stream.cli.dead_letters import DeadFile, DeadLetters, dead_letters
from stream.cli.options import AsJson, ConfigPath
from stream.cli.output import (
    aligned,
    keep_files_apart,
    require_different_files,
    say,
    say_json,
)
from stream.cli.ticket_files import OpenTickets, TicketFormat, open_tickets, with_ticket_format
from stream.config.loading import load
from stream.config.policy_files.taxonomy import read_taxonomy
from stream.errors import ConfigError
from stream.escalations.phrases import percent, plural

MOST_LISTED = 20
"""Maximum number of areas or pairs per list in the text output; --json shows all."""
MOST_CHARACTERS = 100

taxonomy_app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Check a taxonomy file.",
)


@taxonomy_app.callback()
def _group() -> None:
    """Check a taxonomy file."""


@taxonomy_app.command("check")
@with_ticket_format
def taxonomy_check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML file of product areas.")],
    ticket_format: TicketFormat,
    tickets: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Ticket file, as for replay; - for stdin. May be repeated.",
        ),
    ] = None,
    dead: DeadFile = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Check a taxonomy file, and how well it fits your tickets.

    Reports all mistakes at once and exits with code 2 if there are any.
    """
    taxonomy, mistakes = read_taxonomy(file)
    if mistakes:
        raise ConfigError(mistakes)
    results, letters = findings(taxonomy), DeadLetters()
    if tickets:
        require_different_files(tickets)
        keep_files_apart(
            reads={f"--tickets {number}": name for number, name in enumerate(tickets, 1)}
            | {"FILE": file, "--config": config},
            writes={"--dead": dead},
        )
        loaded = load(config)
        check, max_bytes = Check(taxonomy), loaded.limits.ticket_bytes
        with dead_letters(dead) as letters:
            for name in tickets:
                with open_tickets(name, ticket_format, letters, loaded) as found:
                    _add(check, found, max_bytes, letters)
        results = check.findings()
    if as_json:
        say_json(
            {"file": str(file), **msgspec.to_builtins(results), "rejected": dict(letters.reasons)}
        )
    else:
        for line in _text(file, results, letters.reasons):
            say(line)


def _add(check: Check, tickets: OpenTickets, max_bytes: int, letters: DeadLetters) -> None:
    """Add all tickets to the check; collect those that are not valid."""
    for number, line in tickets:
        try:
            ticket = to_signal(read_ticket(line, max_bytes=max_bytes))
        except Rejected as why:
            letters.reject(why, number, line, tickets.name)
            continue
        if ticket.event_type == "created":
            check.add(ticket.area, ticket.text)
        else:
            check.leave_out()


def _text(file: Path, results: Findings, rejected: Counter[DeadReason]) -> Iterator[str]:
    size = results.size
    yield f"{file} is valid"
    yield ", ".join(
        (
            plural(size.products, "product"),
            plural(size.areas, "area"),
            plural(size.aliases, "alias", "aliases"),
            plural(size.issue_types, "issue type"),
            plural(size.keywords, "keyword"),
        )
    )
    if results.overlaps:
        yield from ("", "keywords shared by two areas:")
        for overlap in results.overlaps[:MOST_LISTED]:
            yield f"  {overlap.one}, {overlap.other}: {', '.join(overlap.keywords)}"
        yield from _more(len(results.overlaps))
    if results.on_tickets is not None:
        yield ""
        yield from _text_on_tickets(results.on_tickets, rejected)


def _text_on_tickets(fit: OnTickets, rejected: Counter[DeadReason]) -> Iterator[str]:
    counts = [plural(fit.tickets, "ticket")]
    counts += [f"{plural(fit.left_out, 'other event')} left out"] if fit.left_out else []
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items()))
    if rejected:
        counts.append(f"rejected lines: {sum(rejected.values())} ({reasons})")
    yield "; ".join(counts)
    yield (
        f"tickets with an area: {fit.known} known by name, {fit.alias} by an alias, "
        f"{fit.unknown} unknown"
    )
    if fit.unknown_names:
        yield f"  most frequent unknown areas: {_frequent(fit.unknown_names)}"
    yield (
        f"tickets without an area: {fit.by_rules} classified by rules, {fit.ambiguous} ambiguous, "
        f"{fit.unplaced} unclassified"
    )
    if fit.missing_terms:
        yield f"  most frequent terms of unclassified tickets: {_frequent(fit.missing_terms)}"
    if fit.never and fit.tickets:
        yield f"areas without a ticket: {', '.join(fit.never[:MOST_LISTED])}"
        yield from _more(len(fit.never))
    if fit.ties:
        yield from ("", "areas that tie for the same ticket:")
        for tie in fit.ties[:MOST_LISTED]:
            tickets, keywords = plural(tie.tickets, "ticket"), ", ".join(tie.keywords)
            yield f"  {tie.one}, {tie.other}: {tickets}; {keywords}"
    if fit.fits:
        yield from ("", "areas that the rules would give to tickets that have an area:")
        yield f"  same area {fit.agree}, another area {fit.differ}, no area {fit.undecided}"
        yield ""
        yield from _table(fit.fits)


def _frequent(names: Sequence[Frequent]) -> str:
    return ", ".join(f"{clean(each.name, MOST_CHARACTERS)} ({each.tickets})" for each in names)


def _more(count: int) -> Iterator[str]:
    if count > MOST_LISTED:
        yield f"  and {count - MOST_LISTED} more"


def _table(fits: Sequence[Fit]) -> Iterator[str]:
    """Yield precision and recall of each area, worst first."""
    rows = [
        (
            fit.area,
            *(str(count) for count in (fit.named, fit.placed, fit.right)),
            *("-" if share is None else percent(share) for share in (fit.precision, fit.recall)),
        )
        for fit in fits
    ]
    heads = ("area", "named", "classified", "correct", "precision", "recall")
    yield from aligned((heads, *rows))
