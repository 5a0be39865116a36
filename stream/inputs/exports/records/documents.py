"""Records of a JSON file: one object a line, an array, a wrapped array, or objects in a row."""

import contextlib
import json
import math
import re
from collections.abc import Callable, Iterator
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
DAMAGE_AHEAD: Final = 65_536
"""Number of characters behind a damage within which the closing brace is searched."""
VAIN_SEARCHES: Final = 500
"""Number of searches for a closing brace that may fail; they would take hours in a hostile file."""
LONGEST_TOKEN: Final = 12
"""Number of characters of the longest token that can be cut: two escapes such as ``\\u00e9``."""

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]]', re.DOTALL)
_SEPARATORS = re.compile(r"[\s,]*")
_NEXT_OBJECT = re.compile(r"\}\s*,?\s*(?=\{)")
_KEY = re.compile(r'"([\w-]++)"\s*:\s*([\[{])')
_PRETTY = re.compile(r"\{[ \t\r]*\n")
_NEXT_LINE = re.compile(r"\n([ \t\r,]*+)(?=[{\]])")
_IN_STRING = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_MARK = re.compile(r'["{}\[\]]')
_FOLLOWING = re.compile(r"[ \t,]*+\{")
_OBJECT_AHEAD = re.compile(r"\s*\{")
_decode = json.JSONDecoder(  # what is too large to be a number stays text, as an id may be
    parse_float=lambda text: text if math.isinf(float(text)) else float(text), parse_constant=str
).raw_decode


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
            text.open_list(1)
            may_be_wrapped = False
        elif mark == "]":
            text.advance(1)
            text.skip_rest_of_objects(wrappers)
            may_be_wrapped, wrappers = wrappers > 0, 0
        elif may_be_wrapped and (found := text.find_list()) is not None:
            length, wrappers = found
            text.open_list(length)
            may_be_wrapped = False
        else:
            may_be_wrapped = False
            yield text.next_record()


class _Text:
    """Text of a file that is read as far as needed, and the position in it."""

    def __init__(self, chunks: Iterator[str], name: str) -> None:
        self._chunks, self._name = chunks, name
        self._text, self._at, self._line, self._column = "", 0, 1, 0
        self._list_line = self._last_line = 0
        self._shares_lines = False
        self._vain_searches = VAIN_SEARCHES
        self._depth, self._in_string = 0, False

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
        end = self._at + count
        if breaks := self._text.count("\n", self._at, end):
            self._line += breaks
            self._column = end - 1 - self._text.rindex("\n", self._at, end)
        else:
            self._column += count
        self._at = end

    def open_list(self, count: int) -> None:
        """Move forward by a number of characters, behind the bracket that opens a list."""
        self.advance(count)
        self._list_line = self._line

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
        if self._at > DAMAGE_AHEAD:  # the decoder counts all lines before an error
            self._text, self._at = self._text[self._at :], 0
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._is_cut_off(error):
                    return self._damaged(error.msg, error.pos - self._at)
                if self._ahead > MAX_LINE or not self._read():
                    return self._damaged(error.msg, error.pos - self._at, is_cut_off=True)
                continue
            except (ValueError, RecursionError) as error:
                return self._damaged(str(error), 0)
            if end == len(self._text) and not isinstance(value, dict | list) and self._read():
                continue  # a number may go on
            line, raw = self._line, self._text[self._at : end]
            if len(raw) > MAX_LINE:
                self.advance(len(raw))
                return _oversized(line, raw)
            self.advance(len(raw))
            if not isinstance(value, dict):
                return _refusal(line, raw, "not a JSON object")
            self._shares_lines |= line == self._last_line
            self._last_line = self._line
            return Record(line, value, raw)

    def _read(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._text = self._text[self._at :] + chunk
        self._at = 0
        return True

    @property
    def _ahead(self) -> int:
        """Number of characters that are read but not consumed."""
        return len(self._text) - self._at

    def _is_cut_off(self, error: json.JSONDecodeError) -> bool:
        """Return whether a value may be damaged only because its end is not read yet."""
        is_at_end = error.pos >= len(self._text) - LONGEST_TOKEN
        return is_at_end or error.msg.startswith("Unterminated string")

    def _damaged(self, why: str, damage: int, *, is_cut_off: bool = False) -> Refusal:
        """Refuse the record ahead, and move to what looks like the beginning of the next one.

        Args:
            why: What is wrong.
            damage: Number of characters of the record up to the damage.
            is_cut_off: Whether the record goes on where the text ends that has been read.
        """
        while not self._shares_lines and self._text.find("\n", self._at) < 0:
            if self._ahead > MAX_LINE or not self._read():
                break
        has_own_line = self._has_own_line()
        length = self._next_line() if has_own_line else None
        if length is None and not (is_cut_off and self._ahead > MAX_LINE):
            length = self._length_of_damaged(damage, has_own_line=has_own_line)
        if length is not None and length <= MAX_LINE:
            line, raw = self._line, self._text[self._at : self._at + length]
            self.advance(length)
            if not has_own_line and line == self._line and _FOLLOWING.match(self._text, self._at):
                self._shares_lines = True
            return _refusal(line, raw, f"not valid JSON: {why} at character {damage + 1}")
        refusal = _oversized(self._line, self._text[self._at : self._at + MAX_LINE + 1])
        if length is not None:
            self.advance(length)
        else:
            self._skip(self._skip_line if has_own_line else self._skip_token)
        return refusal

    def _has_own_line(self) -> bool:
        """Return whether the record ahead seems to be alone on its line, as in JSON Lines."""
        if self._shares_lines or _PRETTY.match(self._text, self._at) is not None:
            return False
        line_end = self._text.find("\n", self._at)
        if self._line == self._list_line:  # the whole list may be on this line
            return line_end > 0 and self._text[self._at : line_end].rstrip().endswith(",")
        return line_end > 0 or self._line > 1

    def _next_line(self, begin: int = 0) -> int | None:
        """Return the distance to the next line with a record that is not further indented."""
        for found in _NEXT_LINE.finditer(self._text, self._at + begin):
            if len(found[1]) <= self._column:
                return found.end() - self._at
        return None

    def _length_of_damaged(self, damage: int, *, has_own_line: bool) -> int | None:
        """Return the length of the damaged record ahead; None: its end is not to be seen."""
        while True:
            length = self._next_line() if has_own_line else self._length_by_braces(damage)
            if length is not None:
                return length
            is_far = not has_own_line and self._ahead > damage + DAMAGE_AHEAD
            if is_far or self._ahead > MAX_LINE:
                break
            if not self._read():
                if has_own_line and self._line > 1:
                    return self._ahead
                by_braces = self._length_by_braces(damage)
                return by_braces or self._length_by_next(damage) or self._ahead
        return None if has_own_line else self._length_by_next(damage)

    def _length_by_braces(self, damage: int) -> int | None:
        """Return the length up to the brace that closes the record, if braces are not damaged."""
        depth = 0
        stop = self._at + damage + DAMAGE_AHEAD
        tokens = _TOKEN.finditer(self._text, self._at, stop if self._vain_searches else self._at)
        for token in tokens:
            if token[0] == '"':  # the string is cut
                break
            depth += _depth_of(token[0])
            if depth <= 0 and token[0] in "{}[]":
                if token[0] == "}":
                    return token.end() - self._at
                break
        self._vain_searches -= self._vain_searches > 0
        return None

    def _length_by_next(self, damage: int) -> int | None:
        """Return the length up to what looks like the beginning of the next object.

        Up to the damage, an object is within the record, unless a quote is missing before it. In
        pretty-printed text, objects within the record are further indented.
        """
        begin, text = self._at + damage, self._text
        if _PRETTY.match(text, self._at) and (length := self._next_line(damage)) is not None:
            return length
        strings = [each for each in _TOKEN.finditer(text, self._at, begin) if len(each[0]) > 1]
        last = strings[-1] if strings else None
        if last and (found := _NEXT_OBJECT.search(text, last.start(), last.end())) is not None:
            with contextlib.suppress(ValueError, RecursionError):
                _decode(text, found.end())
                return found.end() - self._at
        following = _NEXT_OBJECT.search(text, max(begin, self._at + 1))
        return None if following is None else following.end() - self._at

    def _skip(self, step: Callable[[], bool]) -> None:
        """Move behind an oversized record.

        Args:
            step: Moves forward within the text that is read; returns whether the end is reached.

        Raises:
            TicketFileError: The record has no end.
        """
        line, skipped = self._line, 0
        self._depth, self._in_string = 0, False
        while True:
            before = self._ahead
            is_end = step()
            skipped += before - self._ahead
            if is_end:
                return
            if skipped + self._ahead > ENDLESS:
                raise TicketFileError(
                    f"{self._name}, line {line}: a record of more than {ENDLESS:,} characters: is "
                    "it a ticket file?"
                )
            if not self._read():
                self.advance(self._ahead)
                return

    def _skip_line(self) -> bool:
        if (length := self._next_line()) is not None:
            self.advance(length)
            return True
        last = self._text.rfind("\n", self._at)
        is_blank = last >= 0 and not self._text[last:].strip(" \t\r\n,")
        column = self._column
        self.advance((last if is_blank else len(self._text)) - self._at)
        self._column = column  # that of the record, with which the next one is compared
        return False

    def _skip_token(self) -> bool:
        while self._ahead:
            if self._in_string:
                found = _IN_STRING.match(self._text, self._at)
                self.advance(0 if found is None else found.end() - self._at)
                if self._text[self._at : self._at + 1] != '"':
                    return False
                self.advance(1)
                self._in_string = False
                continue
            mark = _MARK.search(self._text, self._at)
            self.advance(self._ahead if mark is None else mark.end() - self._at)
            if mark is None:
                return False
            self._in_string = mark[0] == '"'
            self._depth += _depth_of(mark[0])
            if self._depth <= 0 and not self._in_string:
                return True
        return False


def _depth_of(token: str) -> int:
    """Return by how much a token changes the number of open braces and brackets."""
    return 1 if token in ("{", "[") else -1 if token in ("}", "]") else 0


def _oversized(line: int, raw: str) -> Refusal:
    return Refusal(
        line=line,
        reason="oversized",
        detail=f"longer than {MAX_LINE:,} characters",
        value=raw[:200],
        raw=raw[: MAX_LINE + 1].encode("utf-8", "surrogateescape"),
    )


def _refusal(line: int, raw: str, why: str) -> Refusal:
    return Refusal(
        line=line,
        reason="undecodable",
        detail=why[:200],
        value=raw[:200],
        remedy="give one JSON object a line, or an array of objects",
        raw=raw.encode("utf-8", "surrogateescape"),
    )
