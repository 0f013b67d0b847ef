"""JSON rows: an array of objects, objects one after the other, or one a line (JSON Lines), with the line of each.

Whole numbers are exact, true and false are 1 and 0. {"$base64": true, "encoded": …} and {"$blob": …} are blobs,
{"$float": "inf"} an infinity, as exports write them. Other objects and arrays become JSON text, and so does a whole
number of more than 64 bits, of any length. An object may have new keys: the rows before it get NULL.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, SldbError, Value
from sldb.render.values import folded
from sldb.transfer.formats import huge_numbers
from sldb.transfer.formats.bad_rows import BadRows, lines

_CHUNK_BYTES = 1 << 18
_MAX_CHARACTERS = 200_000_000  # of one object
_SPACE = re.compile(r"[ \t\r\n]*")
_FLOATS = {"inf": float("inf"), "-inf": float("-inf"), "nan": None}


class JsonRows:
    """The rows of a text, by iteration: (line, values) of each. `columns` grows with the keys.

    `documents` has them as they are in the text, whatever they are.
    """

    def __init__(self, content: BinaryIO, name: str, by_line: bool, bad: BadRows, encoding: str) -> None:
        self.columns: list[str] = []
        self._places: dict[str, int] = {}
        self._taken: set[str] = set()
        self._name = name
        self._bad = bad
        self._window = None if by_line else _Window(content, name, encoding)
        self._line = ""
        self.documents = self._by_line(content, encoding) if self._window is None else _streamed(self._window)

    @property
    def text(self) -> str:
        """The text of the row that was read last."""
        return self._line if self._window is None else self._window.last

    def __iter__(self) -> Iterator[tuple[int, list[Value]]]:
        for line, document in self.documents:
            if not isinstance(document, dict):
                message = f"want an object with a value for each column, got {_shown(document)}"
                self._bad.report(self._name, line, 1, message, self.text)
                continue
            try:
                yield line, self._row(document)
            except InvalidValue as error:
                self._bad.report(self._name, line, 1, str(error), self.text)

    def _by_line(self, content: BinaryIO, encoding: str) -> Iterator[tuple[int, Any]]:
        for number, text in lines(content, self._name, encoding, self._bad):
            if not text or text.isspace():
                continue
            self._line = text
            try:
                yield number, huge_numbers.scan(text)
            except json.JSONDecodeError as error:
                self._bad.report(self._name, number, error.pos + 1, error.msg, text)
            except RecursionError:
                self._bad.report(self._name, number, 1, "nested too deeply", text)

    def _row(self, document: dict[str, Any]) -> list[Value]:
        row: list[Value] = [None] * len(self.columns)
        for key, value in document.items():
            place = self._places.get(key)
            if place is None:
                place = self._new_column(key)
                row.append(None)
            row[place] = value if type(value) is str and value.isascii() else value_of(value, key)
        return row

    def _new_column(self, key: str) -> int:
        if folded(key) in self._taken:
            raise InvalidValue(f"the key {json.dumps(key)} cannot name a column beside the others")
        self._taken.add(folded(key))
        self.columns.append(key)
        self._places[key] = len(self.columns) - 1
        return self._places[key]


class InvalidValue(Exception):
    """The value fits into no column."""


def value_of(value: Any, key: str) -> Value:
    """Return the value to store for one of JSON, of this key. Raises InvalidValue."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if INTEGER_MIN <= value <= INTEGER_MAX else str(value)
    if isinstance(value, float):
        return value if value == value else None  # noqa: PLR0124 - NaN, which SQLite stores as NULL
    if isinstance(value, huge_numbers.Digits):
        return value.text
    if isinstance(value, dict) and (tagged := _tagged(value, key)) is not None:
        return tagged[0]
    if isinstance(value, (dict, list)):
        value = huge_numbers.dumps(value)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidValue(f"the value of {key} has half a character in it (a lone surrogate)") from None
    text: str | None = value
    return text


def _tagged(value: dict[str, Any], key: str) -> tuple[Value] | None:
    encoded = None
    if value.get("$base64") is True and isinstance(value.get("encoded"), str) and len(value) == 2:
        encoded = value["encoded"]
    elif isinstance(value.get("$blob"), str) and len(value) == 1:
        encoded = value["$blob"]
    if encoded is not None:
        try:
            return (base64.b64decode(encoded, validate=True),)
        except (binascii.Error, ValueError):
            raise InvalidValue(f"the value of {key} is not base64") from None
    infinity = value.get("$float")
    if len(value) == 1 and isinstance(infinity, str) and infinity in _FLOATS:
        return (_FLOATS[infinity],)
    return None


def _shown(document: Any) -> str:
    text = huge_numbers.dumps(document)
    return text if len(text) <= 40 else text[:37] + "..."


def _streamed(window: _Window) -> Iterator[tuple[int, Any]]:
    """Yield the objects of an array, or those one after the other, without holding all of them in memory."""
    is_array = window.skip("[")
    first = True
    while True:
        if is_array and window.skip("]"):
            break
        if is_array and not first and not window.skip(","):
            window.fail("want , or ] after an object")
        if not is_array and window.is_at_end():
            return
        first = False
        yield window.document()
    if not window.is_at_end():
        window.fail("want nothing after the array")


class _Window:
    """A moving window on the text."""

    def __init__(self, content: BinaryIO, name: str, encoding: str) -> None:
        self._content = content
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
        self._scan = huge_numbers.scan_at
        self._text = ""
        self._position = 0
        self._line, self._column = 1, 1  # of the beginning of the text
        self._is_complete = False
        self._last = (0, 0)  # the document that was read last, in the text

    @property
    def last(self) -> str:
        """The text of the document that was read last."""
        return self._text[slice(*self._last)]

    def skip(self, token: str) -> bool:
        """Pass over the token if it is next, and return True."""
        if not self.is_at_end() and self._text.startswith(token, self._position):
            self._position += len(token)
            return True
        return False

    def is_at_end(self) -> bool:
        """Pass over space, and return True at the end of the text."""
        while True:
            space = _SPACE.match(self._text, self._position)
            assert space is not None  # it matches anything
            self._position = space.end()
            if self._position < len(self._text) or not self._read():
                return self._position == len(self._text)

    def document(self) -> tuple[int, Any]:
        """Return the line of the next document, and the document."""
        if self.is_at_end():
            self.fail("the text ends early")
        while True:
            try:
                document, end = self._scan(self._text, self._position)
            except json.JSONDecodeError as error:
                # Each attempt scans from the beginning of the document: so the text is doubled.
                if len(self._text) - self._position > _MAX_CHARACTERS or not self._read(len(self._text)):
                    self.fail(error.msg, error.pos)
                continue
            except RecursionError:
                self.fail("nested too deeply")
            # A number may continue after the end of the window.
            if end < len(self._text) or not self._read():
                line = self._place(self._position)[0]
                self._last = (self._position, end)
                self._position = end
                return line, document

    def fail(self, message: str, position: int | None = None) -> NoReturn:
        line, column = self._place(self._position if position is None else position)
        raise SldbError("bad_request", f"{self._name}:{line}:{column}: {message}", applied="no")

    def _place(self, position: int) -> tuple[int, int]:
        newlines = self._text.count("\n", 0, position)
        if not newlines:
            return self._line, self._column + position
        return self._line + newlines, position - self._text.rfind("\n", 0, position)

    def _read(self, min_bytes: int = 0) -> bool:
        """Read more text; return False at the end."""
        if self._is_complete:
            return False
        if self._position > _CHUNK_BYTES:
            self._line, self._column = self._place(self._position)
            self._text, self._position = self._text[self._position :], 0
        data = self._content.read(max(_CHUNK_BYTES, min_bytes))
        self._is_complete = not data
        try:
            more = self._decoder.decode(data, final=self._is_complete)
        except UnicodeDecodeError as error:
            self._text += error.object[: error.start].decode(error.encoding)
            self.fail(f"not {error.encoding} text; see --encoding", len(self._text))
        self._text += more
        return bool(more) or not self._is_complete
