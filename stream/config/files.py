"""Reader of TOML files that reports unreadable files as mistakes."""

import re
import tomllib
from pathlib import Path
from typing import Any


def read_toml(path: Path, what: str) -> tuple[str, dict[str, Any], list[str]]:
    """Return the text of a file, its data, and a mistake if the file could not be read.

    Args:
        path: Path of the file.
        what: Kind of file, for the message, such as "configuration file".
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
        message, at_end = str(error), (text.count("\n") + 1, len(text) - text.rfind("\n"))
        place = re.search(r" \(at line (\d+), column (\d+)\)", message)
        line, column = place.groups() if place else at_end
        mistake = f"{path}:{line}:{column}: not valid TOML: {message.partition(' (at ')[0]}"
    except ValueError as error:
        mistake = f"{path}: the {what} cannot be read: {error}"
    return text, {}, [mistake]
