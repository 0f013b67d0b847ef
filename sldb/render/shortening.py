"""Texts that are too wide: cut between characters as the user sees them, and folded into lines."""

from __future__ import annotations

from collections.abc import Iterator

from lambda_handlers.wire import Value
from sldb.render.text import width

_MIN_BEGINNING = 8  # columns of the text that a note on its length leaves
_CODE_POINTS_PER_COLUMN = 32  # more of them than this in one column are cut off unseen


def shorten(shown: str, value: Value, columns: int, note_from: int) -> str:
    """Return a cell in at most `columns`, which ends in … if something is cut off.

    If the whole of it is wider than `note_from`, and there is room, its length follows: `X'8950…' (3,000 bytes)`.
    """
    if len(shown) <= columns * 2 and width(shown) <= columns:
        return shown
    quote = "'" if isinstance(value, bytes) else ""
    note = ""
    if len(shown) > note_from and isinstance(value, (str, bytes)):
        note = f" ({len(value):,} {'bytes' if quote else 'characters'})"
        if columns < _MIN_BEGINNING + 1 + len(quote + note):
            note = ""
    end = "…" + quote + note
    if columns < len(end) + 2:  # X' alone says nothing
        end = "…"
    return beginning(shown, columns - len(end)) + end


def beginning(text: str, columns: int) -> str:
    """Return the longest beginning of at most `columns`."""
    text = text[: max(columns, 0) * _CODE_POINTS_PER_COLUMN]
    if text.isascii():
        return text[: max(columns, 0)]
    found = ""
    for character in _characters(text):
        if width(found + character) > columns:
            break
        found += character
    return found


def fold(text: str, columns: int) -> list[str]:
    """Return the text in lines of at most `columns`, broken between words where that is possible."""
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if width(longer) <= columns:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _pieces(word, columns)
        lines += whole
    return [*lines, line]


def _pieces(word: str, columns: int) -> list[str]:
    """Return a word in pieces of at most `columns`, or of one character."""
    if word.isascii():
        return [word[start : start + columns] for start in range(0, len(word), columns)] or [""]
    pieces, piece = [], ""
    for character in _characters(word):
        if piece and width(piece + character) > columns:
            pieces.append(piece)
            piece = ""
        piece += character
    return [*pieces, piece]


def _characters(text: str) -> Iterator[str]:
    """Yield what the user sees as one character, such as a letter with its marks, or an emoji sequence."""
    from wcwidth import iter_graphemes

    return iter_graphemes(text)
