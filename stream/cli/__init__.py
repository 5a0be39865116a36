"""The command ``spikewatch``. `stream.cli.command_table` lists its subcommands.

Exit codes: 0, done; 1, a problem that the user can fix, described in a sentence; 2, the command
line or the configuration is wrong; 70, a process stopped at once rather than lose or double
something (start it again, its state is safe); 130, interrupted with Ctrl-C.
"""

from stream.cli.application import app, main

__all__ = ["app", "main"]
