"""The kind of a transaction: a byte for the history, and for nothing else.

It is the top byte of the node id in the header of a level-0 file; the other 56 bits are random, and identify the writer
of a file (commit). No other program reads node ids: Litestream writes 0, and other writers any value, so that an
unknown byte is `UNKNOWN`. Compacted files have node ids of their own and no kind.

An announcement (announcements) also has its number of seconds: the byte below the kind, so that 48 bits are random.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum

_RANDOM_BITS = 56
_SECONDS_BITS = 8


class Kind(IntEnum):
    """The kinds. Numbers are stored: they never change their meaning."""

    UNKNOWN = 0
    INSERT = 1
    UPDATE = 2
    DELETE = 3
    CREATE = 4
    ALTER = 5
    DROP = 6
    VACUUM = 7
    SEVERAL = 8  # statements of different kinds
    OTHER = 9  # PRAGMA, REINDEX, ANALYZE, …
    RESTORE = 16
    PUSH = 17
    BRANCH = 18
    CREATE_DATABASE = 19
    DROP_DATABASE = 20
    RENAME_DATABASE = 21  # of the note that precedes it (sql.own.request_log)
    SET_DATABASE = 22
    ANNOUNCEMENT = 23
    UNDO = 24  # which state it brought back is in the header (ltx.Marks), as of RESTORE and REDO
    REDO = 25

    @property
    def label(self) -> str:
        """The kind for people to read: INSERT for a statement, "drop database" for another operation."""
        return self.name if self < Kind.SEVERAL else self.name.lower().replace("_", " ")


_BY_WORD = {kind.name: kind for kind in Kind if kind < Kind.SEVERAL} | {"REPLACE": Kind.INSERT}


def of_statements(words: Collection[str]) -> Kind:
    """Return the kind of a transaction from the first words of its writing statements (upper case)."""
    kinds = {_BY_WORD.get(word, Kind.OTHER) for word in words}
    if len(kinds) > 1:
        return Kind.SEVERAL
    return kinds.pop() if kinds else Kind.UNKNOWN


def node_id(kind: Kind, entropy: bytes) -> int:
    """Return the node id of a transaction; `entropy`: 8 random bytes."""
    return kind << _RANDOM_BITS | int.from_bytes(entropy, "big") & ((1 << _RANDOM_BITS) - 1)


def announcement_id(seconds: int, entropy: bytes) -> int:
    """Return the node id of an announcement for `seconds` (at most 255)."""
    random = node_id(Kind.ANNOUNCEMENT, entropy)
    below = _RANDOM_BITS - _SECONDS_BITS
    return random & ~(((1 << _SECONDS_BITS) - 1) << below) | seconds << below


def announced_seconds(number: int) -> int:
    """Return the seconds of the announcement with this node id."""
    return number >> (_RANDOM_BITS - _SECONDS_BITS) & ((1 << _SECONDS_BITS) - 1)


def of_node_id(number: int) -> Kind:
    """Return the kind in a node id."""
    try:
        return Kind(number >> _RANDOM_BITS)
    except ValueError:
        return Kind.UNKNOWN
