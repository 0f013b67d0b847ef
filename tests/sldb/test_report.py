from __future__ import annotations

import pytest

from lambda_handlers.wire import Column, Reply, Result
from sldb.report import age, count, duration, outcomes, size, summary

ROWS = Result((Column("a", None),), [(1,), (2,)], 2)


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ([], "done"),
        ([Result()], "done"),
        ([ROWS], "2 rows"),
        ([Result((Column("a", None),), [], 0)], "0 rows"),
        ([Result(rowcount=1)], "1 row changed"),
        ([Result(), Result(rowcount=1200), ROWS], "1,200 rows changed + 2 rows"),
        ([Result(rowcount=1)] * 5 + [ROWS], "6 statements: 2 rows, 5 changed"),
    ],
)
def test_outcomes(results: list[Result], told: str) -> None:
    assert outcomes(Reply(tuple(results), 1, "main")) == told


def test_summary() -> None:
    assert summary(Reply((ROWS,), 7, "main"), 12.3) == "2 rows · 12 ms · txid 7"
    stats = {"cold": True, "store_requests": 1, "lock_wait_ms": 2100}
    told = summary(Reply((ROWS,), 7, "main", stats), 0.25)
    assert told == "2 rows · 0.2 ms · txid 7 · cold · 2100 ms waiting for the lock · 1 store request"


def test_durations_and_ages() -> None:
    assert [duration(ms) for ms in (0.04, 9.99, 10.4, 9999, 12_345)] == [
        "0.0 ms",
        "10.0 ms",
        "10 ms",
        "9999 ms",
        "12.3 s",
    ]
    assert [age(s) for s in (0, 59, 119, 300, 7200, 200_000)] == ["0 s", "59 s", "119 s", "5 min", "2 h", "2 days"]


def test_counts() -> None:
    assert [count(n, "row") for n in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
    assert [count(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]


@pytest.mark.parametrize(("amount", "text"), [(0, "0 B"), (999, "999 B"), (4096, "4.1 KB"), (12_345_678, "12.3 MB")])
def test_sizes(amount: int, text: str) -> None:
    assert size(amount) == text
