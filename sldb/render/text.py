"""The printing of untrusted text on a terminal: escapes, and widths.

A cell, an error message or a name may hold anything. Control characters (with the escape character first among
them), and the characters that reorder their neighbours, are shown in the notation of Python: \\x1b, \\n.
Everything else prints as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# C0, DEL, C1; then marks, separators and overrides of writing direction; byte order mark; lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_UNSAFE_IN_LINES = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str) -> str:
    """Return `text` on one line, safe to print."""
    return _UNSAFE.sub(_visible, text) if not text.isprintable() else text


def escape_lines(text: str) -> str:
    """Return `text` safe to print, with its line breaks and tabs."""
    return _UNSAFE_IN_LINES.sub(_visible, text)


def escape_json(document: str) -> str:
    """Return a JSON document of the same meaning, safe to print."""
    return _UNSAFE_IN_LINES.sub(lambda match: f"\\u{ord(match.group()):04x}", document)


def _visible(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def width(text: str) -> int:
    """Return the number of terminal columns of `text`."""
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def widest(texts: Sequence[str]) -> int:
    """Return the greatest width; 0 for none. One pass in C if all texts are ASCII, as in most columns."""
    if all(map(str.isascii, texts)):
        return max(map(len, texts), default=0)
    return max(map(width, texts))


def fold(line: str, columns: int) -> str:
    """Return `line` broken between words, into pieces of at most `columns` if possible. All have its indentation."""
    words = line.lstrip(" ")
    indentation = line[: len(line) - len(words)]
    pieces, piece = [], ""
    for word in words.split(" "):
        longer = f"{piece} {word}" if piece else word
        if piece and len(indentation) + width(longer) > columns:
            pieces.append(piece)
            piece = word
        else:
            piece = longer
    return "\n".join(indentation + each for each in [*pieces, piece])


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Return `text` filled up to `columns`, aligned to the right if `right`."""
    if text.isascii():
        return text.rjust(columns) if right else text.ljust(columns)
    fill = " " * (columns - width(text))
    return fill + text if right else text + fill
