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
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lambda_handlers.http.hrana.failure import malformed
from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Value

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")


def encode_row(row: Iterable[Any]) -> str:
    """Return the JSON of a row; a dict stands for a value that `lambda_handlers.wire.values` tags. Written as text: a
    dict for each value would take most of the time of a large result."""
    return f"[{','.join([_ENCODERS[type(value)](value) for value in row])}]"


def encode_line(line: bytes) -> bytes:
    """Return the JSON of a row in a stored line of JSON, without decoding its blobs."""
    return encode_row(json.loads(line)).encode()


def _encode_null(_value: None) -> str:
    return '{"type":"null"}'


def _encode_integer(value: int) -> str:
    return f'{{"type":"integer","value":"{value}"}}'


def _encode_float(value: float) -> str:
    return f'{{"type":"float","value":{value!r}}}' if math.isfinite(value) else _NO_NUMBER


def _encode_text(value: str) -> str:
    return f'{{"type":"text","value":{_quoted(value)}}}'


def _encode_blob(value: bytes) -> str:
    return f'{{"type":"blob","base64":"{base64.b64encode(value).rstrip(b"=").decode()}"}}'


def _encode_tagged(value: Mapping[str, str]) -> str:
    text = value.get("$blob")
    return _NO_NUMBER if text is None else f'{{"type":"blob","base64":"{text.rstrip("=")}"}}'


_quoted = json.JSONEncoder(ensure_ascii=False).encode
_NO_NUMBER = '{"type":"float","value":null}'
_ENCODERS: Mapping[type, Callable[[Any], str]] = {
    type(None): _encode_null,
    int: _encode_integer,
    float: _encode_float,
    str: _encode_text,
    bytes: _encode_blob,
    dict: _encode_tagged,
}


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
