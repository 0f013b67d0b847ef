"""JSON with whole numbers of any length. Python's own decoder refuses those with more digits than it converts to int.

The decoder with a function for whole numbers is slower, and so is used only for a text that the usual one refuses.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

_SHORT_DIGITS = 20  # more than an integer of 64 bits has
_MARK = uuid.uuid4().hex  # in no document


@dataclass(frozen=True, slots=True)
class Digits:
    """A whole number of more than 64 bits."""

    text: str


def _whole_number(text: str) -> int | Digits:
    return int(text) if len(text) <= _SHORT_DIGITS else Digits(text)


_usual = json.JSONDecoder()
_of_any_length = json.JSONDecoder(parse_int=_whole_number)
_MARKED = re.compile(f'"{_MARK}(-?[0-9]+)"')


def scan(text: str) -> Any:
    """Return the document of a text. Raises JSONDecodeError and RecursionError."""
    try:
        return _usual.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # too many digits
        return _of_any_length.decode(text)


def scan_at(text: str, position: int) -> tuple[Any, int]:
    """Return the document at a position, and its end. Raises JSONDecodeError and RecursionError."""
    try:
        return _usual.raw_decode(text, position)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _of_any_length.raw_decode(text, position)


def dumps(document: Any) -> str:
    """Return the JSON text of a document, its long numbers as numbers."""
    try:
        return json.dumps(document, ensure_ascii=False)
    except TypeError:  # Digits
        return _MARKED.sub(r"\1", json.dumps(_marked(document), ensure_ascii=False))


def _marked(document: Any) -> Any:
    if isinstance(document, Digits):
        return f"{_MARK}{document.text}"
    if isinstance(document, dict):
        return {key: _marked(value) for key, value in document.items()}
    return [_marked(value) for value in document] if isinstance(document, list) else document
