"""The output of rows: files, layouts, and the summary beside the data."""

from __future__ import annotations

import gzip
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.terminal.command import sldb

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*arguments: str, stdin: str | bytes = b"") -> subprocess.CompletedProcess[str]:
        return sldb(tmp_path, "--local", "db", "query", *arguments, stdin=stdin)

    return run


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", "a\n1\n"),
        ("x.JSON", '[\n{"a": 1}\n]\n'),
        ("x.jsonl", '{"a": 1}\n'),
        ("x.md", "| a |\n| ---: |\n| 1 |\n"),
        ("x.sql", 'INSERT INTO "table"("a") VALUES(1);\n'),
        ("x.txt", " a\n───\n 1\n"),
        ("x.tsv.gz", "a\n1\n"),
    ],
)
def test_a_file_by_its_name(run: Run, tmp_path: Path, name: str, content: str) -> None:
    done = run("select 1 as a", "-o", name)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    written = (tmp_path / name).read_bytes()
    assert (gzip.decompress(written) if name.endswith(".gz") else written).decode() == content


def test_a_format_that_was_given_is_the_format(run: Run, tmp_path: Path) -> None:
    run("select 1 as a", "-o", "x.csv", "--format", "jsonl")
    assert (tmp_path / "x.csv").read_text() == '{"a": 1}\n'


@pytest.mark.parametrize("name", ["out.xlsx", "out.csv.bz2", "out.cvs", "out.2026"])
def test_an_unknown_ending_is_refused_before_anything_runs(run: Run, tmp_path: Path, name: str) -> None:
    done = run("create table t(a)", "-o", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no format is known for {name}" in done.stderr
    assert "--format" in done.stderr
    assert ".jsonl" in done.stderr
    assert not (tmp_path / name).exists()
    assert run(".tables", "--format", "csv").stdout == "name,type\n"
    assert run("select 1 as a", "-o", name, "--format", "csv").returncode == 0
    assert (tmp_path / name).read_text() == "a\n1\n"


def test_a_name_without_an_ending_has_the_usual_format(run: Run, tmp_path: Path) -> None:
    assert run("select 1 as a", "-o", "out").returncode == 0
    assert (tmp_path / "out").read_text() == " a\n───\n 1\n"
    done = run("select 1", "-o", "out.sqlite")
    assert (done.returncode, "named like a file in the format sqlite" in done.stderr) == (2, True)


def test_the_schema_in_a_file_is_sql(run: Run, tmp_path: Path) -> None:
    run("create table t(a)")
    assert run(".schema", "-o", "schema.sql").returncode == 0
    assert (tmp_path / "schema.sql").read_text() == "CREATE TABLE t(a);\n"


def test_a_failure_leaves_the_file_as_it_was(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("before")
    assert run("select nope", "-o", "x.csv").returncode == 1
    assert run("select 1", "-o", "new.csv", "--at", "99").returncode == 1
    assert (tmp_path / "x.csv").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["x.csv"]


def test_where_the_data_cannot_go_nothing_is_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    for place in ("no/such/place.csv", "directory"):
        assert run("create table t(a)", "-o", place).returncode == 2
        assert run("select * from t").returncode == 1


def test_null_and_no_header(run: Run) -> None:
    done = run("select null as a, '' as b", "--null", "-", "--no-header", "--format", "csv")
    assert done.stdout == '-,""\n'
    assert run("select null as a", "--null", "∅").stdout == " a\n───\n ∅\n"


def test_inserts_name_their_table(run: Run) -> None:
    done = run("select 1 as a", "--format", "insert", "--table", "users")
    assert done.stdout == 'INSERT INTO "users"("a") VALUES(1);\n'


def test_a_dry_run_tells_the_rows_that_change(run: Run) -> None:
    run("create table t(a); insert into t values (1), (2); create table u(a)")
    done = run("delete from t; insert into u values (1); update u set a = 2; drop table t", "--dry-run")
    assert done.stderr.splitlines() == [
        "2 rows changed + 1 row changed + 1 row changed · txid 1",
        "dry run: all of it was rolled back",
        "  t: 2 deleted",
        "  u: 1 inserted, 1 updated",
        "  drops t (0 rows)",
    ]
    assert run("select count(*) as n from t", "--format", "csv").stdout == "n\n2\n"


def test_stats_are_one_line_beside_the_data(run: Run) -> None:
    run("create table t(a)")
    done = run("select 1 as a", "--stats", "--format", "csv")
    assert done.stdout == "a\n1\n"
    assert re.fullmatch(
        r"1 row · txid 1 · round trip [\d.]+ ms · server [\d.]+ ms cold · 4 store requests \(0 of them writes or "
        r"lists\) · [\d.]+ K?B read, 0 B written · lock wait 0.0 ms · no price: it ran on this machine\n",
        done.stderr,
    ), done.stderr
    assert "store request" in run(".tables", "--stats").stderr


def test_parquet(run: Run, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run("select 9007199254740993 as n, x'00ff' as b", "-o", "x.parquet").returncode == 0
    assert parquet.read_table(tmp_path / "x.parquet").to_pylist() == [{"n": 9007199254740993, "b": b"\x00\xff"}]
    done = run("create table t(a)", "--format", "parquet")
    assert done.returncode == 2
    assert "--output FILE.parquet" in done.stderr
    assert run("select * from t").returncode == 1
