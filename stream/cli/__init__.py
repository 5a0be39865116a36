"""The command ``spikewatch``. `stream.cli.command_table` lists its subcommands.

Exit codes: 0, success; 1, a problem that the user can fix, described in the message; 2, an invalid
command line or configuration; 70, a process stopped at once so as not to lose or duplicate data
(restart it, its state is safe); 130, interrupted with Ctrl-C.
"""

from stream.cli.application import app, main

__all__ = ["app", "main"]
