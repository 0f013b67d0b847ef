"""Inputs by their formats: compressed, from standard input, Parquet; and files that cannot be imported."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from backports import zstd

from lambda_handlers.wire import SldbError
from sldb.client import Client
from tests.sldb.transfer.loading import PEOPLE, load, rows


def test_compressed_files_and_standard_input(client: Client, tmp_path: Path) -> None:
    (tmp_path / "g.csv.gz").write_bytes(gzip.compress(PEOPLE.encode()))
    (tmp_path / "z.csv.zst").write_bytes(zstd.compress(PEOPLE.encode()))
    load(client, tmp_path / "g.csv.gz", tmp_path / "z.csv.zst")
    load(client, "-", table="s", stdin=gzip.compress(PEOPLE.encode()))
    assert rows(client, "SELECT * FROM g EXCEPT SELECT * FROM z UNION ALL SELECT * FROM s EXCEPT SELECT * FROM z") == []
    assert rows(client, "SELECT count(*) FROM g, z, s") == [(27,)]


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_damaged_data_is_told(client: Client, tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    whole = compress(b"a\n" + bytes(range(48, 58)) * 100_000 + b"\n")
    for data in (whole[:-4], whole[:40] + bytes(10) + whole[50:]):
        (tmp_path / "t.csv").write_bytes(data)
        with pytest.raises(SldbError, match="damaged"):
            load(client, tmp_path / "t.csv")


def test_parquet(client: Client, tmp_path: Path) -> None:
    import datetime
    from decimal import Decimal

    table = pyarrow.table(
        {
            "i": pyarrow.array([2**63 - 1, None], pyarrow.int64()),
            "u": pyarrow.array([2**64 - 1, 1], pyarrow.uint64()),
            "f": [0.1, float("nan")],
            "s": ["é", None],
            "b": [b"\0\xff", None],
            "t": [True, False],
            "d": [datetime.date(2026, 11, 1), None],
            "w": [datetime.datetime.fromisoformat("2026-11-01T10:00:00.000005"), None],
            "m": [Decimal("1.50"), None],
            "l": [[1, None], []],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "p.parquet")
    load(client, tmp_path / "p.parquet")
    assert rows(client, "SELECT * FROM p") == [
        (
            2**63 - 1,
            str(2**64 - 1),
            0.1,
            "é",
            b"\0\xff",
            1,
            "2026-11-01",
            "2026-11-01 10:00:00.000005",
            "1.50",
            "[1, null]",
        ),
        (None, 1, None, None, None, 0, None, None, None, "[]"),
    ]
    load(client, "-", table="q", format="parquet", stdin=(tmp_path / "p.parquet").read_bytes())
    assert rows(client, "SELECT * FROM p EXCEPT SELECT * FROM q") == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "x.sql",
            "CREATE TABLE t (a);\n\nINSERT INTO t VALUES (1, 2);\n",
            "x.sql:3:1: table t has 1 columns but 2 values",
        ),
        ("x.sql", "BEGIN;\nCREATE TABLE t (a);\n", "x.sql ends before its COMMIT"),
        ("x.sql", "ATTACH '/tmp/other' AS o;\n", "x.sql:1:1: not authorized"),
        ("x.sql", "-- nothing\n", "x.sql has no tables"),
        ("x.db", "no database, but long enough to be read as one " * 30, "x.db cannot be read: file is not a database"),
        ("x.parquet", "PAR1 no, it is not", "x.parquet is not a Parquet file"),
        ("x.json", "[]", "there are no rows, and so no columns to create a table x"),
        (
            "x.sql",
            "CREATE VIRTUAL TABLE h USING fts5(z, content='');",
            "virtual table h has content that SQL statements cannot",
        ),
    ],
)
def test_files_that_cannot_be_imported(client: Client, tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SldbError) as caught:
        load(client, tmp_path / name)
    assert message in caught.value.message
    assert caught.value.code == "bad_request"


def test_a_file_that_is_not_there(client: Client, tmp_path: Path) -> None:
    with pytest.raises(SldbError, match="cannot be read: No such file or directory"):
        load(client, tmp_path / "x.csv")
