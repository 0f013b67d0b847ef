"""The words about a statement that shows something else now than it did."""

from __future__ import annotations

import pytest

from lambda_handlers.wire import Column, Result, Statement
from sldb.shell.conflict import differences
from sldb.shell.transaction import Kept


def rows(*rows: tuple[object, ...]) -> Result:
    return Result((Column("a", None),), list(rows), len(rows))  # type: ignore[arg-type]


CHANGED = Result(rowcount=1)
MANY = rows(*((number,) for number in range(8)))


@pytest.mark.parametrize(
    ("then", "now", "lines"),
    [
        (rows((10,)), rows((110,)), ["then: 10", "now:  110"]),
        (rows((1, None), (2, b"\0")), rows((2, b"\0")), ["then: 1, NULL", "now:  no such row"]),
        (rows((1,)), rows((1,), (1,)), ["then: no such row", "now:  1"]),
        (rows((1,), (2,)), rows((2,), (1,)), ["the same rows, in another order"]),
        (
            rows(),
            MANY,
            ["then: no such row", "now:  0", *(f"      {n}" for n in (1, 2, 3, 4)), "      … and 3 more rows"],
        ),
        (rows(("a\x1b[31m\nb",)), rows(), ["then: a\\x1b[31m\\nb", "now:  no such row"]),
        (CHANGED, Result(rowcount=2), ["then: 1 row changed", "now:  2 rows changed"]),
        (CHANGED, "UNIQUE constraint failed: t.a", ["then: 1 row changed", "now:  UNIQUE constraint failed: t.a"]),
        (CHANGED, None, ["then: 1 row changed"]),
        (None, CHANGED, ["now:  1 row changed"]),
        ("UNIQUE constraint failed: t.a", CHANGED, ["then: UNIQUE constraint failed: t.a", "now:  1 row changed"]),
    ],
)
def test_then_and_now(then: Result | str | None, now: Result | str | None, lines: list[str]) -> None:
    shown, error = (None, then) if isinstance(then, str) else (then, "")
    found = differences(Kept(Statement("SELECT a\n  FROM t"), shown=shown, error=error), now)
    assert found == ["SELECT a FROM t", *lines]


def test_a_result_whose_rows_were_not_kept() -> None:
    shown = Result((Column("a", None),), [], 5000)
    assert differences(Kept(Statement("SELECT 1"), shown=shown), rows((1,)))[1:] == ["then: 0 rows", "now:  1 row"]


def test_long_lines_are_cut() -> None:
    found = differences(Kept(Statement("x" * 5000), shown=rows(("y" * 5000,))), rows())
    assert max(map(len, found)) <= 206
