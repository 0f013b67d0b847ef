"""The values of SQL over HTTP in JSON.

{"type": "null"}
{"type": "integer", "value": "42"}     64 bits, as decimal text
{"type": "float", "value": 1.5}        null stands for NaN and the infinities
{"type": "text", "value": "a"}
{"type": "blob", "base64": "3q2+7w"}   without padding; accepted with it, too
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from lambda_handlers.http.hrana.failure import malformed
from lambda_handlers.http.messages import encode_json
from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Row, Value

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NULL = {"type": "null"}


def encode_row(row: Row) -> list[dict[str, Any]]:
    return [encode_value(value) for value in row]


def encode_value(value: Value) -> dict[str, Any]:
    if value is None:
        return _NULL
    if isinstance(value, str):
        return {"type": "text", "value": value}
    if isinstance(value, int):
        return {"type": "integer", "value": str(value)}
    if isinstance(value, float):
        return {"type": "float", "value": value if math.isfinite(value) else None}
    return {"type": "blob", "base64": base64.b64encode(value).rstrip(b"=").decode()}


def encode_line(line: bytes) -> bytes:
    """Return the JSON of a row in a stored line of JSON (`lambda_handlers.wire.values`)."""
    return encode_json([_tagged(value) for value in json.loads(line)])


def _tagged(value: Any) -> dict[str, Any]:
    """Return a value of the wire as one of this protocol, without decoding a blob."""
    if not isinstance(value, dict):
        return encode_value(value)
    if "$blob" in value:
        return {"type": "blob", "base64": value["$blob"].rstrip("=")}
    return {"type": "float", "value": None}


def decode_value(body: object, where: str) -> Value:
    """Return the SQLite value. A float of null is NULL, as SQLite binds NaN. Raises ProtocolFailure."""
    kind = body.get("type") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(kind, str) or kind not in _DECODERS:
        malformed(where, f"an object with a type among {', '.join(_DECODERS)}")
    return _DECODERS[kind](body, where)


def _null(_body: Mapping[str, Any], _where: str) -> None:
    return None


def _integer(body: Mapping[str, Any], where: str) -> int:
    text = body.get("value")
    if not isinstance(text, str) or not _INTEGER.fullmatch(text) or not INTEGER_MIN <= int(text) <= INTEGER_MAX:
        malformed(f"{where}.value", "an integer of 64 bits, as decimal text")
    return int(text)


def _float(body: Mapping[str, Any], where: str) -> float | None:
    number = body.get("value")
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        malformed(f"{where}.value", "a number")
    try:
        return float(number)
    except OverflowError:
        malformed(f"{where}.value", "a number of 64 bits")


def _text(body: Mapping[str, Any], where: str) -> str:
    return decode_text(body.get("value"), f"{where}.value")


def _blob(body: Mapping[str, Any], where: str) -> bytes:
    text = body.get("base64")
    if not isinstance(text, str):
        malformed(f"{where}.base64", "base64 text")
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        malformed(f"{where}.base64", "base64, with or without padding")


_DECODERS = {"null": _null, "integer": _integer, "float": _float, "text": _text, "blob": _blob}


def decode_text(value: object, where: str) -> str:
    """Return a text that UTF-8 can express. Raises ProtocolFailure."""
    if not isinstance(value, str):
        malformed(where, "text")
    try:
        value.encode()
    except UnicodeEncodeError:
        malformed(where, "text without lone surrogates")
    return value
