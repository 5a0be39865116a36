"""Table of the commands of ``spikewatch``: the module of each and its summary in the help.

``spikewatch --help`` reads only this table, so it imports no command.
"""

from typing import Final, Literal, NamedTuple

Panel = Literal["Try it", "Run it", "Respond", "Look", "Tune"]


class CommandEntry(NamedTuple):
    """One row of the table."""

    panel: Panel
    name: str
    module: str
    """Name of the module, relative to `stream.cli`."""
    attribute: str
    """Name of a function, or of a `typer.Typer` with subcommands, in that module."""
    summary: str
    """First line of the command's help; at most 65 characters."""
    runs_until_stopped: bool = False
    """Whether the command is a process that ends only when somebody stops it."""


_ROWS: Final = (
    CommandEntry(
        "Try it", "demo", "try_it.demo", "demo",
        "Show a spike from its first ticket to the resolved episode.",
    ),
    CommandEntry(
        "Try it", "simulate", "try_it.simulate", "simulate",
        "Write or send the tickets of a simulated company.",
    ),
    CommandEntry(
        "Try it", "import", "try_it.import_tickets", "import_tickets",
        "Convert exports of a helpdesk to ticket events.",
    ),
    CommandEntry(
        "Try it", "replay", "try_it.replay", "replay",
        "Detect spikes in a ticket file, without Kafka.",
    ),
    CommandEntry(
        "Try it", "broker", "try_it.broker", "broker",
        "Run a single-node Kafka on 127.0.0.1, for trials and tests.", runs_until_stopped=True,
    ),
    CommandEntry(
        "Run it", "topics", "run_it.topics", "topics_app",
        "Create, check or list the Kafka topics.",
    ),
    CommandEntry(
        "Run it", "config", "run_it.config", "config_app",
        "Check or show the configuration.",
    ),
    CommandEntry(
        "Run it", "worker", "run_it.worker", "worker",
        "Detect spikes and publish escalations; workers share the load.", runs_until_stopped=True,
    ),
    CommandEntry(
        "Run it", "ticker", "run_it.ticker", "ticker",
        "Send clock ticks so that time advances in quiet areas too.", runs_until_stopped=True,
    ),
    CommandEntry(
        "Run it", "send", "run_it.send", "send",
        "Send tickets from a file to Kafka.",
    ),
    CommandEntry(
        "Run it", "notify", "run_it.notify", "notify",
        "Notify receivers of escalations and handle their responses.", runs_until_stopped=True,
    ),
    CommandEntry(
        "Run it", "page", "run_it.page", "page",
        "Serve the read-only web page of areas and episodes.", runs_until_stopped=True,
    ),
    CommandEntry(
        "Run it", "canary", "run_it.canary", "canary",
        "Send simulated spikes and check that each is detected.", runs_until_stopped=True,
    ),
    CommandEntry(
        "Respond", "ack", "respond.responses", "ack",
        "Acknowledge an episode: somebody is working on it.",
    ),
    CommandEntry(
        "Respond", "snooze", "respond.responses", "snooze",
        "Mute the notifications of one episode for a while.",
    ),
    CommandEntry(
        "Respond", "silence", "respond.silences", "silence",
        "Silence all episodes that match, or list the active silences.",
    ),
    CommandEntry(
        "Respond", "verdict", "respond.verdicts", "verdict",
        "Record what an episode turned out to be.",
    ),
    CommandEntry(
        "Respond", "note", "respond.responses", "note",
        "Leave a note on an episode for whoever takes over.",
    ),
    CommandEntry(
        "Look", "tail", "look.tail", "tail",
        "Print escalations as they are published.",
    ),
    CommandEntry(
        "Look", "status", "look.status", "status",
        "Show tickets, areas, clocks, lag and warm-up of the workers.",
    ),
    CommandEntry(
        "Look", "episodes", "look.episodes", "episodes",
        "List the open episodes.",
    ),
    CommandEntry(
        "Look", "history", "look.episodes", "history",
        "Show everything that happened to an episode.",
    ),
    CommandEntry(
        "Look", "explain", "look.explain", "explain",
        "Recompute the decision behind an episode and show every number.",
    ),
    CommandEntry(
        "Look", "why-not", "look.why_not", "why_not",
        "Show why nothing was sent, and what it would have taken.",
    ),
    CommandEntry(
        "Look", "report", "look.report", "report",
        "Write a bug report about an episode.",
    ),
    CommandEntry(
        "Tune", "backtest", "tune.backtest", "backtest",
        "Show which pages your own history would have caused.",
    ),
    CommandEntry(
        "Tune", "advise", "tune.advise", "advise",
        "Propose a budget and a configuration from your own history.",
    ),
    CommandEntry(
        "Tune", "evaluate", "tune.evaluate", "evaluate",
        "Measure detection on simulated companies.",
    ),
    CommandEntry(
        "Tune", "taxonomy", "tune.taxonomy", "taxonomy_app",
        "Check a taxonomy file.",
    ),
    CommandEntry(
        "Tune", "route", "tune.route", "route",
        "Show which receivers would be notified, and why.",
    ),
)  # fmt: skip
COMMANDS: Final[dict[str, CommandEntry]] = {entry.name: entry for entry in _ROWS}
"""Commands by name, in the order in which the help lists them."""
