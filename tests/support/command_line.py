"""Run ``spikewatch`` in the process of the test.

Starting a Python process and importing the program takes about a second of CPU time, most of what
a test of a message takes. Tests of signals, pipes and hash seeds need a process of their own.
"""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stream.cli import main


def run_command(
    folder: Path, *arguments: str, stdin: bytes = b"", **environ: str
) -> subprocess.CompletedProcess[bytes]:
    """Run ``spikewatch ARGUMENTS`` as its entry point does, in this process.

    Args:
        folder: The current folder of the command.
        arguments: The arguments of the command.
        stdin: What the command reads from standard input.
        environ: Variables to set; all other variables named ``SPIKEWATCH_*`` are removed.

    Returns:
        The exit code and both outputs. An error that would print a traceback is raised.
    """
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        contextlib.chdir(folder),
        pytest.MonkeyPatch.context() as patch,
    ):
        given.write(stdin)
        given.seek(0)
        for name in [name for name in os.environ if name.startswith("SPIKEWATCH_")]:
            patch.delenv(name)
        for name, value in {"COLUMNS": "80", **environ}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["spikewatch", *arguments])
        # The command replaces sys.stdout; a wrapper that nobody holds would close its file.
        streams = {
            name: io.TextIOWrapper(file, encoding="utf-8")
            for name, file in (("stdin", given), ("stdout", output), ("stderr", errors))
        }
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        code = _exit_code()
        sys.stdout.flush()
        sys.stderr.flush()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(
            ["spikewatch", *arguments], code, output.read(), errors.read()
        )


def run_command_as_text(
    folder: Path, *arguments: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run ``spikewatch ARGUMENTS`` as `run_command` does, and decode its outputs."""
    done = run_command(folder, *arguments, stdin=b"", **environ)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def _exit_code() -> int:
    """Run the command in ``sys.argv`` and return its exit code."""
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
