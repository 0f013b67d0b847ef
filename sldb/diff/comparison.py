"""The comparison of two states of databases in one stack: requests for the server, and the changes in their rows.

A state is a database at a transaction. Both are read in one request (`sldb.diff.copies` compares states of different
text encodings): the later one is `main`, the earlier one is attached as `before`, each at its txid, so that no writer
gets in between.

Rows are the same row if they have the same key: the rowid, or the primary key of a table WITHOUT ROWID. Values are
compared exactly: 1 is not 1.0, and 'a' is not 'A' under any collation of the column. If the columns of a table changed,
the common ones are compared. The shadow tables of a virtual table are compared as that virtual table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lambda_handlers.wire import Request, Result, Row, SldbError, Statement, Value
from sldb.diff import queries
from sldb.diff.schema import Schema, Table
from sldb.render import result_of

COLUMNS = ("name", "type", "schema", "added", "removed", "changed", "before", "after")


@dataclass(frozen=True, slots=True)
class Change:
    """The differences of one table, index, view or trigger. Numbers of rows are None for objects without rows."""

    name: str
    type: str
    schema: str  # "created", "dropped", "altered" or ""
    added: int | None = None
    removed: int | None = None
    changed: int | None = None
    before: int | None = None  # rows in all
    after: int | None = None

    @property
    def has_rows(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @property
    def is_none(self) -> bool:
        return not (self.schema or self.has_rows)


@dataclass(frozen=True, slots=True)
class RowChange:
    table: str
    change: str  # "added", "removed" or "changed"
    key: dict[str, Value]
    before: dict[str, Value] | None
    after: dict[str, Value] | None


@dataclass(frozen=True, slots=True)
class Comparison:
    before: Schema
    after: Schema
    only: Sequence[str] = ()  # these tables; none: all

    @property
    def title(self) -> str:
        return " → ".join(f"{state.database}@{state.txid}" for state in (self.before, self.after))

    @property
    def is_attachable(self) -> bool:
        """True if one request can read both: SQLite attaches only databases of one text encoding."""
        return self.before.encoding == self.after.encoding

    @property
    def tables(self) -> list[tuple[Table | None, Table | None]]:
        """Each table before and after; None for a missing one. Raises `not_found` for a table missing in both."""
        names = sorted(self.before.tables.keys() | self.after.tables.keys())
        if missing := set(self.only) - set(names):
            raise SldbError("not_found", f"neither state has a table {min(missing)}", ".tables lists them")
        pairs = [(self.before.tables.get(name), self.after.tables.get(name)) for name in names]
        return [pair for name, pair in zip(names, pairs, strict=True) if not self.only or name in self.only]

    def count_request(self) -> Request:
        """Return the request for the numbers of different rows, of all tables."""
        return self._request(queries.count_rows(before, after) for before, after in self.tables)

    def row_request(self, tables: Sequence[str], limit: int) -> Request:
        """Return the request for the different rows, at most `limit` of each of these tables."""
        pairs = {(before or after).name: (before, after) for before, after in self.tables if before or after}  # type: ignore[union-attr]  # one of them is there
        return self._request(queries.select_rows(*pairs[name], limit) for name in tables)

    def changes(self, results: Sequence[Result]) -> list[Change]:
        """Return all differences, tables first. `results`: of `count_request`."""
        found = []
        counts = {str(row[0]): row[1:] for result in results if result.columns for row in result.rows}
        for name, numbers in counts.items():
            change = Change(name, "table", self._schema_change("table", name), *map(_whole, numbers))
            found.append(change)
        for type_, name in sorted(self.before.objects.keys() | self.after.objects.keys()):
            if type_ != "table" and not self.only:
                found.append(Change(name, type_, self._schema_change(type_, name)))
        return [change for change in found if not change.is_none]

    def row_changes(self, results: Sequence[Result]) -> Iterator[RowChange]:
        """Yield the different rows. `results`: of `row_request`."""
        for result in results:
            for row in result.rows:
                yield _row_change([column.name for column in result.columns], row)

    def _schema_change(self, type_: str, name: str) -> str:
        before, after = self.before.objects.get((type_, name)), self.after.objects.get((type_, name))
        if before == after:
            return ""
        return "created" if before is None else "dropped" if after is None else "altered"

    def _request(self, texts: Iterator[str]) -> Request:
        attach = Statement(f"ATTACH '{self.before.database}@{self.before.txid}' AS before")
        statements = (attach, *(Statement(text) for text in texts))
        return Request(statements, self.after.database, self.after.txid, read_only=True)


def _row_change(names: Sequence[str], row: Row) -> RowChange:
    sides: dict[str, dict[str, Value]] = {"key": {}, "before": {}, "after": {}}
    for name, value in zip(names[2:], row[2:], strict=True):
        side, _, column = name.partition(".")
        sides[side][column] = value
    change = str(row[1])
    before, after = sides["before"] if change != "added" else None, sides["after"] if change != "removed" else None
    return RowChange(str(row[0]), change, sides["key"], before, after)


def _whole(number: Value) -> int:
    assert isinstance(number, int)
    return number


def changes_table(changes: Sequence[Change]) -> Result:
    """Return changes as rows of COLUMNS."""
    return result_of(COLUMNS, [[getattr(change, name) for name in COLUMNS] for change in changes])
