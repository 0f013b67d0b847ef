"""Values and rows in JSON: every value survives the round trip exactly.

NULL, INTEGER, REAL and TEXT are null, integer, float and string. Values without a form in JSON are tagged:
{"$blob": "<base64>"} and {"$float": "inf" | "-inf" | "nan"}.
"""

from __future__ import annotations

import base64
import binascii
import gc
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire.errors import SldbError, bad_request

Value: TypeAlias = "int | float | str | bytes | None"
Row: TypeAlias = "tuple[Value, ...]"
Params: TypeAlias = "tuple[Value, ...] | dict[str, Value] | None"
Bound: TypeAlias = "Params | Many"


@dataclass(frozen=True, slots=True)
class Many:
    """The values of a statement that runs once with each of these rows."""

    rows: tuple[Row | dict[str, Value], ...]


INTEGER_MIN, INTEGER_MAX = -(1 << 63), (1 << 63) - 1  # SQLite's INTEGER is 64 bits, signed


def encode_value(value: Value) -> Any:
    """Return a SQLite value in JSON."""
    if isinstance(value, bytes):
        return {"$blob": base64.b64encode(value).decode("ascii")}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    return value


def decode_value(value: object, where: str = "value") -> Value:
    """Return the SQLite value of a value in JSON; true and false are 1 and 0. Raises `bad_request` for any other."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            bad_request(where, value, "an integer of at most 64 bits, or text")
        return value
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            bad_request(where, value, "text without lone surrogates, or a $blob")
        return value
    if isinstance(value, Mapping) and value.keys() == {"$blob"}:
        return _decode_blob(value["$blob"], where)
    if not isinstance(value, Mapping) or len(value) != 1 or value.get("$float") not in ("inf", "-inf", "nan"):
        bad_request(where, value, 'null, a number, text, {"$blob": base64} or {"$float": "inf", "-inf" or "nan"}')
    return float(value["$float"])


def _decode_blob(text: object, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)  # type: ignore[arg-type]  # a wrong type raises, as it should
    except (binascii.Error, ValueError, TypeError):
        bad_request(where, text, "base64 text in $blob")


def encode_row(row: Row) -> list[Any]:
    """Return the values of a row in JSON. Most stay as they are, and a call for each would take most of the time."""
    return [value if type(value) in _SAME_IN_JSON else encode_value(value) for value in row]


def encode_rows(rows: Sequence[Row]) -> list[list[Any]]:
    """Return rows of one width in JSON. The types are compared by columns: a call for each row takes twice the time."""
    encoded: list[list[Any]] = []
    is_collecting = gc.isenabled()
    gc.disable()  # rows contain no cycles, and collections took half of the time
    try:
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            encoded.extend(map(list if all(map(_stays, zip(*some, strict=True))) else encode_row, some))
    finally:
        if is_collecting:
            gc.enable()
    return encoded


def _stays(column: Sequence[Value]) -> bool:
    """Return True if no value of a column changes in JSON. False proves nothing."""
    types = set(map(type, column))
    if types <= _SAME_TYPES:
        return True
    # Infinities and NaNs stay in a sum. Other sums become infinite, too.
    return types <= _NUMBERS and math.isfinite(sum(filter(None, column)))  # type: ignore[arg-type]  # no text is left


def decode_row(values: Iterable[object]) -> Row:
    """Return the row of values in JSON, as `decode_value` does for each, without a call for most of them."""
    return tuple(
        [
            value
            if value is None or type(value) is float or (type(value) is str and value.isascii())
            else decode_value(value)
            for value in values
        ]
    )


def encode_many(many: Many) -> list[Any]:
    """Return the values of each run in JSON."""
    if set(map(type, many.rows)) == {tuple} and len(set(map(len, many.rows))) == 1:
        return encode_rows(many.rows)  # type: ignore[arg-type]  # all are tuples
    return [
        {name: encode_value(value) for name, value in row.items()} if isinstance(row, dict) else encode_row(row)
        for row in many.rows
    ]


def decode_many(many: object, where: str) -> Many:
    """Return the values of each run. Raises `bad_request`."""
    if not isinstance(many, list) or not many:
        bad_request(where, many, "a list with a list or an object for each run")
    return Many(tuple([_decode_run(row, where, i) for i, row in enumerate(many)]))


def _decode_run(row: object, where: str, position: int) -> Row | dict[str, Value]:
    if isinstance(row, list):
        try:
            return decode_row(row)
        except SldbError:  # now with its place, which takes longer
            return tuple([decode_value(value, f"{where}[{position}][{i}]") for i, value in enumerate(row)])
    if not isinstance(row, Mapping):
        bad_request(f"{where}[{position}]", row, "a list or an object")
    return decode_names(row, f"{where}[{position}]")


def decode_names(params: Mapping[object, object], where: str) -> dict[str, Value]:
    """Return values by the names of their parameters. SQLite knows :id, @id and $id; all three spellings of a name
    mean the same, with or without the sign. Raises `bad_request`."""
    return {str(name).lstrip(":@$"): decode_value(value, f"{where}.{name}") for name, value in params.items()}


_SAME_IN_JSON = (str, int, type(None))
_SAME_TYPES = frozenset(_SAME_IN_JSON)
_NUMBERS = frozenset((float, int, type(None)))
_ROWS_AT_ONCE = 256  # more leave the processor's cache


def encode_line(row: Row) -> bytes:
    """Return a row as one line of JSON."""
    return _line(encode_row(row)).encode() + b"\n"


def decode_line(line: bytes) -> Row:
    """Return the row in a line of JSON. Raises ValueError or SldbError for a line without one."""
    return decode_row(json.loads(line))


_line = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
