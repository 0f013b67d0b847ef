"""Cells that an import refuses, and the database would take: in memory and in staged rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.transfer import cell_checks
from sldb.transfer.target_columns import Column
from tests.sldb.transfer.loading import load, rows, write

HUGE = "99999999999999999999"
A = Column("a", "INTEGER", is_generated=False)
TEXTS = st.text("019-+. x", max_size=24) | st.integers(-(2**70), 2**70).map(str) | st.text("123456789", min_size=17)


@pytest.mark.parametrize("batch_rows", [1, 50_000])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_number_that_would_lose_digits_is_a_bad_row(
    client: Client, tmp_path: Path, name: str, batch_rows: int
) -> None:
    write(client, "CREATE TABLE t (a INTEGER, b)")
    cells = ["x", "5", HUGE, f"-{HUGE}", "9223372036854775807", f"0{HUGE[:5]}"]
    texts = cells if name == "t.csv" else [json.dumps({"a": cell, "b": cell}) for cell in cells]
    header = "a,b\n" if name == "t.csv" else ""
    (tmp_path / name).write_text(header + "".join(f"{t},{t}\n" if header else f"{t}\n" for t in texts))
    with pytest.raises(SldbError, match=rf"{name}:\d:1: a whole number of more than 64 bits would lose digits in t.a"):
        load(client, tmp_path / name, batch_rows=batch_rows)
    done = load(client, tmp_path / name, batch_rows=batch_rows, skip=True, rejects=str(tmp_path / "out"))
    assert done.left_out.count == 2
    assert rows(client, "SELECT a FROM t") == [("x",), (5,), (9223372036854775807,), (99999,)]
    assert (tmp_path / "out").read_text().count(HUGE) == 4


@given(text=TEXTS)
def test_both_find_the_same_numbers(text: str) -> None:
    check = cell_checks.huge_number(0, 0, A, "t")
    import apsw

    [(found,)] = apsw.Connection(":memory:").execute(
        f"SELECT {check.condition.format(cell='c0')} FROM (SELECT ? AS c0)", (text,)
    )
    assert bool(found) == check.is_refused(text)
