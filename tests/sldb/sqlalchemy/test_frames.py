"""pandas and polars, by the driver and the dialect."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import sldb

pytestmark = pytest.mark.long  # to import them takes a second

NOW = datetime.datetime.fromisoformat("2026-11-27 10:30:05.000700")
# A declared type, and a value of it.
TYPED = {
    "INTEGER": 1 << 60,
    "BIGINT": -5,
    "REAL": 1.5,
    "DECIMAL(10,2)": decimal.Decimal("3.50"),
    "BOOLEAN": True,
    "VARCHAR(20)": "é",
    "JSON": '{"a": 1}',
    "BLOB": b"\0",
    "DATE": NOW.date(),
    "TIME": NOW.time(),
    "TIMESTAMP": NOW,
}


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"local:{tmp_path}"


@pytest.fixture
def engine(target: str) -> Iterator[sa.Engine]:
    made = sa.create_engine(f"sqlite+sldb:///main?target={target}")
    yield made
    made.dispose()


@pytest.fixture
def converting(target: str) -> Iterator[sa.Engine]:
    """For polars, which takes declared types as they are written; types of SQLAlchemy convert by themselves."""
    made = sa.create_engine(f"sqlite+sldb:///main?target={target}&detect_types=1")
    yield made
    made.dispose()


@pytest.fixture
def connection(target: str) -> Iterator[sldb.Connection]:
    made = sldb.connect(target, detect_types=sldb.PARSE_DECLTYPES)
    with made:
        made.execute(f"CREATE TABLE t ({', '.join(f'c{i} {kind}' for i, kind in enumerate(TYPED))})")
        marks = ", ".join("?" * len(TYPED))
        made.executemany(f"INSERT INTO t VALUES ({marks})", [tuple(TYPED.values()), (None,) * len(TYPED)])
    yield made
    made.close()


def test_pandas_writes_and_reads(engine: sa.Engine) -> None:
    pandas: Any = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"n": range(2500), "at": [NOW] * 2500, "x": [None, 0.5] * 1250})
    frame.to_sql("f", engine, index=False)
    frame.to_sql("f", engine, index=False, if_exists="append", chunksize=1000)
    with pytest.raises(ValueError, match="exists"):
        frame.to_sql("f", engine)
    found = pandas.read_sql("SELECT * FROM f", engine, parse_dates=["at"])
    assert (len(found), found["n"].sum(), found["x"].count(), found["at"][0]) == (5000, 2 * sum(range(2500)), 2500, NOW)
    chunks = pandas.read_sql("f", engine, chunksize=2000)
    assert [len(chunk) for chunk in chunks] == [2000, 2000, 1000]


def test_polars_reads_every_type(connection: sldb.Connection, converting: sa.Engine) -> None:
    polars: Any = pytest.importorskip("polars")
    wanted = [tuple(TYPED.values()), (None,) * len(TYPED)]
    for by in (connection, converting):
        assert polars.read_database("SELECT * FROM t", by).rows() == wanted
    given = {"parameters": {"n": 1 << 60}}
    found = polars.read_database("SELECT * FROM t WHERE c0 = :n", connection, execute_options=given)
    assert found.rows() == wanted[:1]


def test_polars_reads_in_batches_and_writes(connection: sldb.Connection, engine: sa.Engine, target: str) -> None:
    polars: Any = pytest.importorskip("polars")
    frame = polars.DataFrame({"n": range(2500), "text": ["x"] * 2500})
    assert frame.write_database("f", engine) == 2500
    assert frame.write_database("f", f"sqlite+sldb:///main?target={target}", if_table_exists="append") == 2500
    batches = polars.read_database("SELECT n FROM f", connection, iter_batches=True, batch_size=2000)
    assert [len(batch) for batch in batches] == [2000, 2000, 1000]


def test_arrow_goes_into_both(connection: sldb.Connection) -> None:
    polars: Any = pytest.importorskip("polars")
    table = connection.execute("SELECT c0, c8, c10 FROM t").fetch_arrow().read_all()
    assert polars.from_arrow(table).rows()[0] == (1 << 60, NOW.date(), NOW)
    assert table.to_pandas()["c10"][0] == NOW
