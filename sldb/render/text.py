"""The printing of untrusted text on a terminal: escapes, and widths.

The width of a text is the one that the package wcwidth has: of emoji sequences, conjoining jamo, combining marks,
variation selectors. It is imported only for such text.

A cell, an error message or a name may hold anything. Control characters (with the escape character first among
them), and the characters that reorder their neighbours, are shown in the notation of Python: \\x1b, \\n.
Everything else prints as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

# C0, DEL, C1; then marks, separators and overrides of writing direction; byte order mark; lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_UNSAFE_IN_LINES = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))
# A joiner at an end of a cell would join it with what stands beside it.
_JOINER_AT_END = re.compile("\\A\u200d+|\u200d+\\Z")
# One column each, in every version of Unicode: Latin, Greek, Cyrillic, punctuation, currencies, arrows, boxes.
_NARROW = re.compile(
    "[ -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u052f\u1e00-\u1eff\u2010-\u2027\u2030-\u205e"
    "\u20a0-\u20bf\u2190-\u21ff\u2500-\u257f]*"
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str) -> str:
    """Return `text` on one line, safe to print."""
    if text.isprintable():
        return text
    return _JOINER_AT_END.sub(_visible, _UNSAFE.sub(_visible, text))


def escape_lines(text: str) -> str:
    """Return `text` safe to print, with its line breaks and tabs."""
    return _UNSAFE_IN_LINES.sub(_visible, text)


def escape_json(document: str) -> str:
    """Return a JSON document of the same meaning, safe to print."""
    return _UNSAFE_IN_LINES.sub(lambda match: f"\\u{ord(match.group()):04x}", document)


def _visible(match: re.Match[str]) -> str:
    return "".join(map(_notation, match.group()))


def _notation(character: str) -> str:
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def width(text: str) -> int:
    """Return the number of terminal columns of `text`."""
    if text.isascii() or _NARROW.fullmatch(text):
        return len(text)
    found = _measure()(text)
    return found if found >= 0 else _measure()(_CONTROL.sub(" ", text))


@cache
def _measure() -> Callable[[str], int]:
    from wcwidth import wcswidth

    return wcswidth


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


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Return `text` filled up to `columns`, aligned to the right if `right`."""
    if text.isascii():
        return text.rjust(columns) if right else text.ljust(columns)
    fill = " " * (columns - width(text))
    return fill + text if right else text + fill
