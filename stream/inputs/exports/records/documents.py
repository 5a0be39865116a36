"""Records of a JSON file: one object a line, an array, a wrapped array, or objects in a row."""

import json
import re
from collections.abc import Iterator
from typing import Final

from stream.inputs.exports.records.delimited import ENDLESS, MAX_LINE, Record
from stream.inputs.exports.refusal import Refusal, TicketFileError

WRAPPERS: Final = frozenset(
    {
        "tickets", "issues", "incidents", "conversations", "results", "result", "records", "data",
        "items", "values", "value", "hits", "nodes", "elements", "entries", "rows", "_embedded",
    }
)  # fmt: skip
"""Keys under which APIs answer with their list of records."""
MOST_WRAPPERS: Final = 4
LOOK_AHEAD: Final = 16_384
"""Number of characters within which the list of an API's answer must begin."""

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]]', re.DOTALL)
_SEPARATORS = re.compile(r"[\s,]*")
_NEXT_OBJECT = re.compile(r"\}\s*,?\s*(?=\{)")
_KEY = re.compile(r'"([\w-]++)"\s*:\s*([\[{])')
_OBJECT_AHEAD = re.compile(r"\s*\{")
_decode = json.JSONDecoder().raw_decode


def looks_like_json(head: str) -> bool:
    """Return whether a file that begins like this is JSON.

    Example:
        >>> looks_like_json('[{"id": 1}]'), looks_like_json("id,opened")
        (True, False)
    """
    return head.lstrip("\ufeff \t\r\n").startswith(("{", "["))


def objects(chunks: Iterator[str], name: str) -> Iterator[Record | Refusal]:
    r"""Yield the objects of a JSON file.

    Reads arrays of objects, objects one after another (with or without line breaks within), and
    answers of an API such as ``{"tickets": [...]}``. A damaged object is refused; reading
    continues with the next one. Only one object is held in memory.

    Args:
        chunks: The text of the file.
        name: Name of the file, for messages.

    Raises:
        TicketFileError: An object has no end.

    Example:
        >>> text = '{"count": 2, "tickets": [{"id": 1}, {"id": 2}]}\n'
        >>> [record.value for record in objects(iter([text]), "t.json")]
        [{'id': 1}, {'id': 2}]
    """
    text = _Text(chunks, name)
    wrappers = 0
    may_be_wrapped = True
    while text.skip_separators():
        mark = text.peek()
        if mark == "[":
            text.advance(1)
            may_be_wrapped = False
        elif mark == "]":
            text.advance(1)
            text.skip_rest_of_objects(wrappers)
            may_be_wrapped, wrappers = wrappers > 0, 0
        elif may_be_wrapped and (found := text.find_list()) is not None:
            length, wrappers = found
            text.advance(length)
            may_be_wrapped = False
        else:
            may_be_wrapped = False
            yield text.next_record()


class _Text:
    """Text of a file that is read as far as needed, and the position in it."""

    def __init__(self, chunks: Iterator[str], name: str) -> None:
        self._chunks, self._name = chunks, name
        self._text, self._at, self._line = "", 0, 1

    def peek(self) -> str:
        """Return the next character."""
        return self._text[self._at]

    def skip_separators(self) -> bool:
        """Move to the next character that is no space or comma; return whether there is one."""
        while True:
            found = _SEPARATORS.match(self._text, self._at)
            self.advance(0 if found is None else found.end() - self._at)
            if self._at < len(self._text):
                return True
            if not self._read():
                return False

    def advance(self, count: int) -> None:
        """Move forward by a number of characters."""
        self._line += self._text.count("\n", self._at, self._at + count)
        self._at += count

    def find_list(self) -> tuple[int, int] | None:
        """Look for the list of records within the object ahead.

        Looks only at the members of the object, and of members that are wrappers themselves.

        Returns:
            The number of characters up to the list, and the number of objects around it.
        """
        while len(self._text) - self._at < LOOK_AHEAD and self._read():
            pass
        depth = wrappers = 0
        at = self._at
        while (token := _TOKEN.search(self._text, at)) is not None:
            at = token.end()
            if token[0] in ("{", "["):
                depth += 1
                wrappers += depth == 1
            elif token[0] in ("}", "]"):
                depth -= 1
                wrappers = min(wrappers, depth)
                if depth == 0:
                    return None
            elif depth == wrappers and (key := _KEY.match(self._text, token.start())):
                if key[1] not in WRAPPERS or wrappers >= MOST_WRAPPERS:
                    continue
                if key[2] == "{":
                    at, depth, wrappers = key.end(), depth + 1, wrappers + 1
                elif _OBJECT_AHEAD.match(self._text, key.end()):
                    return key.end() - self._at, wrappers
        return None

    def skip_rest_of_objects(self, depth: int) -> None:
        """Move behind the ends of the objects around a list."""
        while depth > 0:
            token = _TOKEN.search(self._text, self._at)
            if token is None or token[0] == '"':
                self.advance((len(self._text) if token is None else token.start()) - self._at)
                if not self._read():
                    self.advance(len(self._text) - self._at)
                    return
                continue
            depth += (token[0] in "{[") - (token[0] in "}]")
            self.advance(token.end() - self._at)

    def next_record(self) -> Record | Refusal:
        """Return the record ahead, and move behind it."""
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if self._is_cut_off() and self._read():
                    continue
                return self._damaged(str(error))
            if end == len(self._text) and not isinstance(value, dict | list) and self._read():
                continue  # a number may go on
            line, raw = self._line, self._text[self._at : end]
            self.advance(end - self._at)
            if isinstance(value, dict):
                return Record(line, value, raw)
            return _refusal(line, raw, "not a JSON object")

    def _read(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._text = self._text[self._at :] + chunk
        self._at = 0
        return True

    def _is_cut_off(self) -> bool:
        """Return whether the value ahead may end in text that is not read yet."""
        if len(self._text) - self._at > MAX_LINE:
            return False
        depth = 0
        for token in _TOKEN.finditer(self._text, self._at):
            if token[0] == '"':
                return True
            depth += (token[0] in "{[") - (token[0] in "}]") if len(token[0]) == 1 else 0
            if depth == 0:
                return False
        return True

    def _damaged(self, why: str) -> Refusal:
        """Refuse the record ahead, and move to what looks like the beginning of the next one."""
        end = self._end_of_damaged()
        is_endless = end is None
        end = len(self._text) if end is None else end
        line, raw = self._line, self._text[self._at : min(end, self._at + MAX_LINE)]
        skipped = end - self._at
        self.advance(end - self._at)
        while is_endless and self._read():  # the rest of an endless record
            if (found := _NEXT_OBJECT.search(self._text)) is not None:
                self.advance(found.end())
                break
            skipped += len(self._text)
            self.advance(len(self._text))
            if skipped > ENDLESS:
                raise TicketFileError(
                    f"{self._name}, line {line}: a record of more than {ENDLESS:,} characters: is "
                    "it a ticket file?"
                )
        return _refusal(line, raw, f"not valid JSON: {why}")

    def _end_of_damaged(self) -> int | None:
        """Return where a damaged record seems to end; None: not within the text read so far."""
        if (following := _NEXT_OBJECT.search(self._text, self._at + 1)) is not None:
            return following.end()
        line_end = self._text.find("\n", self._at)
        return line_end + 1 if line_end >= 0 and self.peek() == "{" else None


def _refusal(line: int, raw: str, why: str) -> Refusal:
    return Refusal(
        line=line,
        reason="undecodable",
        detail=why[:200],
        value=raw[:200],
        remedy="give one JSON object a line, or an array of objects",
        raw=raw.encode("utf-8", "surrogateescape"),
    )
