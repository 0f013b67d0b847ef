"""The rows that constraints refuse, all found by one pass: for imports of which many rows are refused.

Each row goes through a temporary view, whose trigger inserts it with OR IGNORE and notes it if it was ignored. A range
that fails for another reason (a type, malformed JSON) is divided by `row_search` as usual.

OR IGNORE would change what triggers of the table, conflict clauses of its schema and upserts do, so that the pass is
not for those. A last dry run without the pass has to accept all other rows, and gives the reasons of the first few.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lambda_handlers.wire import SldbError, Statement
from sldb.render import literals
from sldb.transfer.row_search import Found, RowSearch, RowsInsert, Run

_MAX_RUNS = 100_000  # of rows one after the other, in a reply
_PLAIN_TABLE = (
    "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE AND rootpage > 0 "
    "AND sql NOT LIKE '%conflict%' AND NOT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'trigger' "
    "AND tbl_name = ?1 COLLATE NOCASE)"
)
_IGNORED = (
    "SELECT min(row), max(row) FROM (SELECT row, row - row_number() OVER (ORDER BY row) AS run "
    "FROM temp.sldb_ignored WHERE place = ? AND row > ?) GROUP BY run ORDER BY 1 LIMIT ?"
)

_Place = tuple[int, int]  # of a row: its stream and its number


@dataclass(slots=True)
class IgnoredRows:
    """One pass. `refused`: sorted numbers of rows known before, for each place."""

    run: Run
    steps: Sequence[Statement | RowsInsert]
    refused: Mapping[int, Sequence[int]]
    most_reasons: int

    def find(self) -> list[Found] | None:
        """Return all rows that are refused, in their order; None if the pass is not for these tables."""
        if not self._is_possible():
            return None
        search = RowSearch(self.run, list(self._passing()), {place: [*rows] for place, rows in self.refused.items()})
        known = {(each.place, each.row): each.error for each in search.all()}
        rows = [(insert.place, row) for insert in self._inserts() for row in self._ignored(search, insert.place)]
        found = sorted([*known, *rows])
        reasons = self._reasons(found)
        if reasons is None:
            return None
        other = {insert.place: _other_reason(insert.table) for insert in self._inserts()}
        return [Found(*row, reasons.get(row) or known.get(row) or other[row[0]]) for row in found]

    def _inserts(self) -> list[RowsInsert]:
        return [step for step in self.steps if isinstance(step, RowsInsert)]

    def _is_possible(self) -> bool:
        if any(insert.end for insert in self._inserts()):
            return False
        asked = [Statement(_PLAIN_TABLE, (s.table,)) if isinstance(s, RowsInsert) else s for s in self.steps]
        results = self.run(asked)
        return all(
            not result.error and (isinstance(step, Statement) or [*result.rows] == [(1,)])
            for step, result in zip(self.steps, results, strict=True)
        )

    def _passing(self) -> Iterator[Statement | RowsInsert]:
        """Yield the steps, with inserts into views in place of those into tables."""
        yield Statement("CREATE TEMP TABLE sldb_ignored (place INT, row INT)")
        for step in self.steps:
            if isinstance(step, Statement):
                yield step
                continue
            view, cells = f"temp.sldb_rows_{step.place}", [f"v{cell}" for cell in range(len(step.values))]
            yield Statement(f"CREATE VIEW {view} AS SELECT {','.join(f'0 AS {name}' for name in ('row', *cells))}")
            begin = step.begin.replace("INSERT INTO", "INSERT OR IGNORE INTO", 1)
            yield Statement(
                f"CREATE TRIGGER temp.sldb_each_{step.place} INSTEAD OF INSERT ON sldb_rows_{step.place} BEGIN "
                f"{begin}VALUES ({','.join(f'NEW.{name}' for name in cells)}); "
                f"INSERT INTO sldb_ignored SELECT {step.place}, NEW.row WHERE changes() = 0; END"
            )
            yield replace(step, begin=f"INSERT INTO {view} ", values=("rowid", *step.values))

    def _ignored(self, search: RowSearch, place: int) -> Iterator[int]:
        inserted = search.accepted()
        last = 0
        while True:
            results = self.run([*inserted, Statement(_IGNORED, (place, last, _MAX_RUNS))])
            for result in results:
                if result.error:
                    raise result.error
            runs = [(int(str(first)), int(str(end))) for first, end in results[-1].rows]
            for first, last in runs:  # `last`: also where the next reply begins
                yield from range(first, last + 1)
            if len(runs) < _MAX_RUNS:
                return

    def _reasons(self, found: Sequence[_Place]) -> dict[_Place, SldbError] | None:
        """Return the errors of the first rows; None if they have none, or if a row is refused that was not found."""
        asked = [each for step in self.steps for each in self._asked(step, found)]
        results = self.run([statement for statement, _ in asked])
        reasons: dict[_Place, SldbError] = {}
        for (_, single), result in zip(asked, results, strict=True):
            if (result.error is None) != (single is None):
                return None
            if single is not None and result.error is not None:
                reasons[single] = result.error
        return reasons

    def _asked(
        self, step: Statement | RowsInsert, found: Sequence[_Place]
    ) -> Iterator[tuple[Statement, _Place | None]]:
        """Yield a step in parts: the first rows that were found are inserted alone, and named."""
        if isinstance(step, Statement):
            yield step, None
            return
        without = sorted([*self.refused.get(step.place, ()), *(row for place, row in found if place == step.place)])
        begin = 1
        for place, row in found[: self.most_reasons]:
            if place == step.place:
                yield step.statement(begin, row - 1, without), None
                yield step.statement(row, row, ()), (place, row)
                begin = row + 1
        yield step.statement(begin, step.count, without), None


def _other_reason(table: str) -> SldbError:
    return SldbError("constraint", f"a constraint of {literals.name(table)} failed")
