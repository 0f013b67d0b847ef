"""A row, its values also found by the names of their columns, regardless of case, as in sqlite3.Row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from sldb.dbapi.cursor import Cursor


_FOLDED = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}  # as SQLite compares names


class Row:
    """For `Connection.row_factory`."""

    __slots__ = ("_names", "_values")

    def __init__(self, cursor: Cursor, values: tuple[Any, ...], /) -> None:
        self._names: tuple[str, ...] = tuple(column[0] for column in cursor.description or ())
        self._values = tuple(values)

    def keys(self) -> list[str]:
        return list(self._names)

    @overload
    def __getitem__(self, key: int | str) -> Any: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Any, ...]: ...
    def __getitem__(self, key: int | str | slice) -> Any:
        if isinstance(key, (int, slice)):
            return self._values[key]
        if not isinstance(key, str):
            raise IndexError("Index must be int or string")
        folded = key.translate(_FOLDED)
        for name, value in zip(self._names, self._values, strict=False):
            if name.translate(_FOLDED) == folded:
                return value
        raise IndexError(f"no column {key!r}: the row has {', '.join(self._names)}")

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Row):
            return NotImplemented
        return (self._names, self._values) == (other._names, other._values)

    def __hash__(self) -> int:
        return hash((self._names, self._values))

    def __repr__(self) -> str:
        return f"Row({', '.join(f'{name}={value!r}' for name, value in zip(self._names, self._values, strict=False))})"


Sequence.register(Row)
