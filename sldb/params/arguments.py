"""The parameters of statements in the syntax of the command line.

    VALUE                 the next positional parameter (?)
    NAME=VALUE            the parameter :NAME (or @NAME, $NAME)
    NAME:TYPE=VALUE       with a type; `:TYPE=VALUE` for a positional one, `=VALUE` for one with a "=" in it
    NAME=@FILE            the text in a file; `@FILE` for a positional one

A value without a type is text, unless it is a number in the spelling that SQLite itself prints (5, -3, 2.5; not 007,
+1, 1e3, 2.50): so nothing is lost either way, and a comparison with a column of numbers works. Types: text, int, real,
null, json (checked, bound as text; or @FILE), blob (hex digits, or @FILE), file (the text in a file). A text with @ as
first character needs its type: `name:text=@ada`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Params, SldbError, Value

TYPES = ("text", "int", "real", "null", "json", "blob", "file")
_TYPE = "|".join(TYPES)
_NAME = rf"(?:(?!:(?:{_TYPE})\b)[:@$]?(?P<name>[^\W\d]\w*))?"  # so that :int=5 is a positional parameter with a type
_SPELLING = re.compile(rf"{_NAME}(?::(?P<type>{_TYPE}))?=(?P<value>.*)", re.DOTALL)
_TYPED = re.compile(rf":(?:{_TYPE})(?:=|\Z)")
_NULL = re.compile(rf"{_NAME}:null")
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_REAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_REAL_DIGITS = 15  # as many as SQLite prints of a REAL that becomes TEXT


def parse_params(texts: Sequence[str]) -> Params:
    """Return the values to bind for the given texts. Raises `bad_request` for an invalid one."""
    parsed = [_parse(text, f"--param {text}") for text in texts]
    if not parsed:
        return None
    named = {name: value for name, value in parsed if name is not None}
    if not named:
        return tuple(value for _, value in parsed)
    if len(named) < len(parsed):
        _refuse(f"--param {', '.join(texts)}", "either all parameters with a name, each once, or none")
    return named


def parse_value(text: str, name: str) -> Value:
    """Return the value that is typed for a named parameter: VALUE, :TYPE=VALUE, :null or @FILE. Raises `bad_request`
    for an invalid one."""
    return _parse(text if _TYPED.match(text) else f"={text}", f"{name} {text}")[1]


def _parse(text: str, whole: str) -> tuple[str | None, Value]:
    if match := _NULL.fullmatch(text):
        return match["name"], None
    match = _SPELLING.fullmatch(text)
    if match is None:
        return None, _guess_or_file(text, whole)
    kind = match["type"]
    return match["name"], (_guess_or_file if kind is None else _TYPES[kind])(match["value"], whole)


def _guess_or_file(value: str, whole: str) -> Value:
    return _file_text(value[1:], whole) if value.startswith("@") else guess(value)


def guess(text: str) -> Value:
    """Return the number with `text` as its only spelling, or else `text`."""
    if _INTEGER.fullmatch(text):
        number = int(text) if len(text) <= 20 else INTEGER_MAX + 1
        return number if INTEGER_MIN <= number <= INTEGER_MAX else text
    if _REAL.fullmatch(text) and sum(map(str.isdigit, text)) <= _REAL_DIGITS and repr(float(text)) == text:
        return float(text) or text  # -0.0 would come back as 0.0
    return text


def _integer(value: str, whole: str) -> int:
    try:
        number = int(value)
    except ValueError:
        _refuse(whole, "a whole number after int=")
    if not INTEGER_MIN <= number <= INTEGER_MAX:
        _refuse(whole, "an integer of at most 64 bits after int=")
    return number


def _real(value: str, whole: str) -> float:
    try:
        return float(value)
    except ValueError:
        _refuse(whole, "a number after real=")


def _json(value: str, whole: str) -> str:
    if value.startswith("@"):
        value = _file_text(value[1:], whole)
    try:
        json.loads(value)
    except ValueError as error:
        _refuse(whole, f"JSON after json= ({error})")
    return value


def _blob(value: str, whole: str) -> bytes:
    if value.startswith("@"):
        return _read(value[1:], whole)
    try:
        return bytes.fromhex(value)
    except ValueError:
        _refuse(whole, "hex digits or @FILE after blob=")


def _file_text(value: str, whole: str) -> str:
    try:
        return _read(value, whole).decode()
    except UnicodeDecodeError:
        _refuse(whole, "a file of UTF-8 text (for other files: NAME:blob=@FILE)")


def _null(value: str, whole: str) -> None:
    if value:
        _refuse(whole, "nothing after null=")


def _text(value: str, _whole: str) -> str:
    return value


_TYPES: dict[str, Callable[[str, str], Value]] = {
    "text": _text,
    "int": _integer,
    "real": _real,
    "null": _null,
    "json": _json,
    "blob": _blob,
    "file": _file_text,
}


def _read(path: str, whole: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        _refuse(whole, f"a file that can be read ({error.strerror or error}); for the text itself: NAME:text=@…")


def _refuse(got: str, want: str) -> NoReturn:
    raise SldbError("bad_request", f"{got}: want {want}", "sldb query --help shows the spellings")
