"""The command `sldb dump`."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import pytest

from tests.fakes.terminal.command import sldb


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = sldb(tmp_path, "--local", "db", "query", "CREATE TABLE t (a); INSERT INTO t VALUES ('é'), (x'00ff')")
    assert made.returncode == 0
    return tmp_path


def test_the_text_goes_to_standard_output(home: Path) -> None:
    done = sldb(home, "--local", "db", "dump")
    assert (done.returncode, done.stderr) == (0, "")
    made = sqlite3.connect(":memory:")
    made.executescript(done.stdout)
    assert made.execute("SELECT * FROM t").fetchall() == [("é",), (b"\x00\xff",)]
    made.close()


def test_a_file_may_be_compressed(home: Path) -> None:
    done = sldb(home, "--local", "db", "dump", "-o", "out.sql.gz")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "main as of transaction 1 · 145 B of SQL in out.sql.gz\n"
    assert gzip.decompress((home / "out.sql.gz").read_bytes()).decode() == sldb(home, "--local", "db", "dump").stdout


def test_what_fails_leaves_the_file_as_it_was(home: Path) -> None:
    (home / "out.sql").write_text("before")
    done = sldb(home, "--local", "db", "dump", "-o", "out.sql", "--at", "99")
    assert (done.returncode, done.stdout) == (1, "")
    assert "[not_found]" in done.stderr
    assert (home / "out.sql").read_text() == "before"
    assert sorted(path.name for path in home.iterdir()) == ["db", "out.sql"]


def test_an_earlier_moment(home: Path) -> None:
    assert sldb(home, "--local", "db", "query", "DROP TABLE t").returncode == 0
    assert "CREATE TABLE" not in sldb(home, "--local", "db", "dump").stdout
    assert "CREATE TABLE" in sldb(home, "--local", "db", "dump", "--at", "1").stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "json"), "--format: got 'json', want insert"),
        (("-o", "x.json"), "x.json is named like a file in the format json"),
        (("-o", "x.sqlite.gz"), "x.sqlite.gz is named like a file in the format sqlite"),
        (("-o", "x.sql", "--format", "csv"), "--format: got 'csv', want insert"),
    ],
)
def test_a_dump_is_sql_and_nothing_else(home: Path, options: tuple[str, ...], message: str) -> None:
    done = sldb(home, "--local", "db", "dump", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "other formats: sldb export" in done.stderr
    assert not list(home.glob("x.*"))


def test_any_other_name_and_the_settings_are_no_reason_to_refuse(home: Path) -> None:
    for name in ("x", "x.bak", "x.txt", "x.SQL"):
        assert sldb(home, "--local", "db", "dump", "-o", name, extra={"SLDB_FORMAT": "json"}).returncode == 0
        assert "CREATE TABLE" in (home / name).read_text()


def test_a_directory_that_is_not_there(home: Path) -> None:
    done = sldb(home, "--local", "db", "dump", "-o", "nowhere/out.sql")
    assert done.returncode == 2
    assert "nowhere/out.sql cannot be written: No such file or directory" in done.stderr
