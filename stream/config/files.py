"""Reader of TOML files that describes in a sentence why a file cannot be read."""

import re
import tomllib
from pathlib import Path
from typing import Any


def read_toml(path: Path, what: str) -> tuple[str, dict[str, Any], list[str]]:
    """Return the text of a file, its data, and why it could not be read: at most one mistake.

    Args:
        path: the file.
        what: the kind of file, for the message, such as "configuration file".
    """
    text = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        return text, tomllib.loads(text), []
    except OSError as error:
        mistake = f"{path}: the {what} cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        mistake = f"{path}: the {what} is not UTF-8 (byte {error.start})"
    except tomllib.TOMLDecodeError as error:
        said, at_end = str(error), (text.count("\n") + 1, len(text) - text.rfind("\n"))
        place = re.search(r" \(at line (\d+), column (\d+)\)", said)
        line, column = place.groups() if place else at_end
        mistake = f"{path}:{line}:{column}: not valid TOML: {said.partition(' (at ')[0]}"
    except ValueError as error:
        mistake = f"{path}: the {what} cannot be read: {error}"
    return text, {}, [mistake]
