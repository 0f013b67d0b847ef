"""The command `sldb export`: every format, of tables, views and queries."""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pyarrow
import pyarrow.parquet
import pytest

from tests.fakes.terminal.command import COMMAND, environment, sldb

MADE = """
CREATE TABLE t (id INTEGER PRIMARY KEY, x, twice AS (id * 2));
CREATE INDEX by_x ON t (x);
INSERT INTO t (x) VALUES ('a,b'), (NULL), (''), (x'00ff'), (9007199254740993), (1e999), ('a
b');
CREATE VIEW v AS SELECT id, x FROM t WHERE id < 3;
CREATE TABLE loose (a);
INSERT INTO loose (rowid, a) VALUES (5, 'kept');
CREATE VIRTUAL TABLE words USING fts5(body);
INSERT INTO words VALUES ('some text');
"""
BLOB = {"$base64": True, "encoded": "AP8="}
VALUES: list[Any] = ["a,b", None, "", BLOB, 9007199254740993, {"$float": "inf"}, "a\nb"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert sldb(tmp_path, "--local", "db", "query", MADE).returncode == 0
    return tmp_path


def export(home: Path, *arguments: str, **options: Any) -> str:
    """What is on standard output."""
    done = sldb(home, "--local", "db", "export", *arguments, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_json_is_exact(home: Path) -> None:
    rows = json.loads(export(home, "t", "--format", "json"))
    assert rows == [{"id": i, "x": x, "twice": 2 * i} for i, x in enumerate(VALUES, start=1)]
    lines = export(home, "t", "--format", "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == rows


@pytest.mark.parametrize("format_name", ["csv", "tsv", "json", "jsonl"])
def test_what_is_exported_is_what_query_prints(home: Path, format_name: str) -> None:
    for sql in ("SELECT * FROM t", "SELECT * FROM t WHERE false", "SELECT 1 AS a, 2 AS b -- done"):
        printed = sldb(home, "--local", "db", "query", sql, "--format", format_name).stdout
        assert export(home, "--query", sql, "--format", format_name) == printed
    assert export(home, "V", "--format", format_name) == export(
        home, "-c", "SELECT id, x FROM t ORDER BY id LIMIT 2; ", "--format", format_name
    )


def test_the_name_of_the_file_says_the_format(home: Path) -> None:
    export(home, "t", "-o", "t.csv")
    export(home, "t", "-o", "t.jsonl.gz")
    export(home, "t", "-o", "t.tsv.zst")
    with (home / "t.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["id", "x", "twice"]
    assert gzip.decompress((home / "t.jsonl.gz").read_bytes()).decode() == export(home, "t", "--format", "jsonl")
    assert (home / "t.tsv.zst").read_bytes()[:4] == b"\x28\xb5\x2f\xfd"


def test_the_name_outweighs_the_settings_and_format_both(home: Path) -> None:
    environment = {"SLDB_FORMAT": "tsv"}
    export(home, "v", "-o", "v.jsonl", extra=environment)
    assert (home / "v.jsonl").read_text().startswith('{"id": 1')
    export(home, "v", "-o", "plain", extra=environment)
    assert (home / "plain").read_text().startswith("id\tx\n")
    export(home, "v", "-o", "v.csv", "--format", "jsonl", extra=environment)
    assert (home / "v.csv").read_text() == (home / "v.jsonl").read_text()
    assert export(home, "v", extra={"SLDB_FORMAT": "table"}).startswith("id,x\n")


def test_insert_statements_make_the_rows_again(home: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as made:
        made.execute("CREATE TABLE v (id, x)")
        made.executescript(export(home, "v", "--format", "insert"))
        assert made.execute("SELECT * FROM v").fetchall() == [(1, "a,b"), (2, None)]


def test_insert_statements_leave_generated_columns_out(home: Path) -> None:
    statements = export(home, "t", "--format", "insert")
    assert statements.startswith("""INSERT INTO "t"("id","x") VALUES(1,'a,b');""")
    assert sldb(home, "--local", "copy", "query", MADE.partition("INSERT")[0] + statements).returncode == 0
    copy = sldb(home, "--local", "copy", "export", "t", "--format", "json").stdout
    assert copy == export(home, "t", "--format", "json")


def test_a_table_in_a_sqlite_file_has_its_schema(home: Path) -> None:
    export(home, "t", "-o", "one.sqlite")
    export(home, "loose", "-o", "loose.db")
    with closing(sqlite3.connect(home / "one.sqlite")) as made:
        assert {name for (name,) in made.execute("SELECT name FROM sqlite_schema")} == {"t", "by_x"}
        assert made.execute("SELECT * FROM t WHERE id = 4").fetchall() == [(4, b"\0\xff", 8)]
    with closing(sqlite3.connect(home / "loose.db")) as made:
        assert made.execute("SELECT rowid, * FROM loose").fetchall() == [(5, "kept")]


def test_a_sqlite_file_holds_the_whole_database(home: Path) -> None:
    done = sldb(home, "--local", "db", "export", "-o", "all.sqlite")
    assert (done.returncode, done.stderr) == (0, "main as of transaction 1 in all.sqlite\n")
    with closing(sqlite3.connect(home / "all.sqlite")) as made:
        assert made.execute("SELECT * FROM words WHERE words MATCH 'text'").fetchall() == [("some text",)]
        assert made.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_rows_of_a_query_in_a_sqlite_file(home: Path) -> None:
    export(home, "-c", "SELECT id, id, x FROM t WHERE id = 1", "-o", "found.sqlite")
    with closing(sqlite3.connect(home / "found.sqlite")) as made:
        assert made.execute('SELECT id, "id:1", x FROM found').fetchall() == [(1, 1, "a,b")]


def test_parquet_has_the_types_that_the_rows_have(home: Path) -> None:
    sql = (
        "SELECT id, id / 2.0 AS real, x'00' || '' AS text, CAST(id AS BLOB) AS blob, x AS mixed, NULL AS none, "
        "CASE id WHEN 1 THEN 1.5 ELSE id END AS both, CASE id WHEN 1 THEN 0.5 ELSE 9007199254740993 END AS large "
        "FROM t ORDER BY id"
    )
    done = sldb(home, "--local", "db", "export", "-c", sql, "--parquet", "t.parquet")
    assert (done.returncode, done.stderr) == (0, "7 rows as of transaction 1 in t.parquet\n")
    read = pyarrow.parquet.read_table(home / "t.parquet")
    assert {field.name: str(field.type) for field in read.schema} == {
        "id": "int64",
        "real": "double",
        "text": "string",
        "blob": "binary",
        "mixed": "string",
        "none": "string",
        "both": "double",
        "large": "string",
    }
    assert read["id"].to_pylist() == list(range(1, 8))
    assert read["mixed"].to_pylist() == ["a,b", None, "", "X'00ff'", "9007199254740993", "Inf", "a\nb"]
    assert read["both"].to_pylist() == [1.5, 2, 3, 4, 5, 6, 7]
    assert read["large"].to_pylist()[:2] == ["0.5", "9007199254740993"]


def test_parquet_goes_to_s3(home: Path, s3_url: str) -> None:
    aws = {
        "AWS_ENDPOINT_URL": s3_url,
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    s3 = boto3.client("s3", "us-east-1", endpoint_url=s3_url, aws_access_key_id="k", aws_secret_access_key="s")
    s3.create_bucket(Bucket="lake")
    export(home, "loose", "--parquet", "s3://lake/tables/", extra=aws)
    export(home, "v", "-o", "s3://lake/v.csv.gz", extra=aws)
    body = s3.get_object(Bucket="lake", Key="tables/loose.parquet")["Body"].read()
    assert pyarrow.parquet.read_table(pyarrow.BufferReader(body)).to_pylist() == [{"a": "kept"}]
    assert gzip.decompress(s3.get_object(Bucket="lake", Key="v.csv.gz")["Body"].read()) == b'id,x\n1,"a,b"\n2,\n'
    missing = sldb(home, "--local", "db", "export", "v", "-o", "s3://no-such/v.csv", extra=aws)
    assert missing.returncode == 3
    assert "cannot upload s3://no-such/v.csv" in missing.stderr
    s3.close()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("nothing",), 1, "there are: t, loose, words, v"),
        ((), 2, "csv holds one table: name it"),
        (("t", "-c", "SELECT 1"), 2, "exclude each other"),
        (("t", "-o", "t.xyz"), 2, "no format is known for t.xyz"),
        (("t", "--format", "sqlite"), 2, "not for standard output"),
        (("t", "--format", "parquet"), 2, "not for standard output"),
        (("t", "-o", "t.sqlite.gz"), 2, "not compressed as a whole"),
        (("t", "-o", "t.md"), 2, "t.md is named like a file in the format markdown"),
        (("t", "--format", "xml"), 2, "--format: got 'xml', want csv, tsv, json, jsonl, insert, parquet or sqlite"),
        (("t", "--format", "table"), 2, "--format: got 'table'"),
        (("t", "-o", "t.csv", "--format", "vertical"), 2, "--format: got 'vertical'"),
        (("-c", "SELECT nope FROM t"), 1, "no such column: nope"),
        (("-c", "DELETE FROM t RETURNING id"), 1, "read-only"),
        (("-c", "SELECT 1; SELECT 2"), 2, "must be one statement that returns rows"),
        (("-c", "SAVEPOINT x"), 2, "must be one statement that returns rows"),
    ],
)
def test_what_cannot_be_exported(home: Path, arguments: tuple[str, ...], status: int, message: str) -> None:
    done = sldb(home, "--local", "db", "export", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr


def test_the_layout_may_be_chosen(home: Path) -> None:
    assert export(home, "v", "--no-header", "--null", "-") == '1,"a,b"\n2,-\n'


def test_statements_that_are_no_select(home: Path) -> None:
    assert export(home, "-c", "PRAGMA user_version") == "user_version\n0\n"


def test_a_reader_that_has_seen_enough_is_no_error(home: Path) -> None:
    wide = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i, -i AS j FROM n"
    process = subprocess.Popen(
        [*COMMAND, "--local", "db", "export", "-c", wide],
        cwd=home,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"i,j\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 0


def test_a_dash_is_standard_output(home: Path) -> None:
    for words in (("export", "t", "--format", "csv"), ("dump",), ("query", "SELECT 1", "--format", "csv")):
        plain = sldb(home, "--local", "db", *words)
        dashed = sldb(home, "--local", "db", *words, "-o", "-")
        assert (dashed.returncode, dashed.stdout) == (0, plain.stdout)
    assert not (home / "-").exists()


def test_sql_in_place_of_a_table_is_answered_with_the_option(home: Path) -> None:
    done = sldb(home, "--local", "db", "export", "SELECT * FROM t WHERE x = 'a'")
    assert done.returncode == 1
    assert "hint: for the rows of a query: --query 'SELECT * FROM t WHERE x = '\"'\"'a'\"'\"" in done.stderr
