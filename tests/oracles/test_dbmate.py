"""dbmate itself, on a plain SQLite file: our applied migrations count as applied there, and the other way round."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.terminal.command import sldb

DBMATE = shutil.which("dbmate", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
pytestmark = pytest.mark.skipif(DBMATE is None, reason="no dbmate here")

Run = Callable[..., str]


@pytest.fixture
def ours(tmp_path: Path) -> Run:
    def run(*arguments: str, stdin: str = "") -> str:
        done = sldb(tmp_path, "--local", "store", *arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def dbmate(tmp_path: Path) -> Run:
    def run(*arguments: str) -> str:
        assert DBMATE is not None
        command = [DBMATE, "--url", f"sqlite:{tmp_path / 'file.db'}", "--no-dump-schema", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    directory = tmp_path / "db" / "migrations"
    directory.mkdir(parents=True)
    for number in (1, 2, 3):
        (directory / f"2026010100000{number}_t{number}.sql").write_text(
            f"-- migrate:up\nCREATE TABLE t{number}(a);\n\n-- migrate:down\nDROP TABLE t{number};\n"
        )
    return directory


def test_dbmate_goes_on_where_we_were(ours: Run, dbmate: Run, files: Path, tmp_path: Path) -> None:
    ours("migrate", "up", "--to", "20260101000002")
    with closing(sqlite3.connect(tmp_path / "file.db")) as connection:
        connection.executescript(ours("dump"))
    assert dbmate("status").count("[X]") == 2
    assert "Applied: 20260101000003_t3.sql" in dbmate("up")
    assert "Rolled back: 20260101000003_t3.sql" in dbmate("rollback")
    assert "Rolled back: 20260101000002_t2.sql" in dbmate("rollback")


def test_we_go_on_where_dbmate_was(ours: Run, dbmate: Run, files: Path, tmp_path: Path) -> None:
    (files / "20260101000003_t3.sql").rename(tmp_path / "later.sql")
    dbmate("up")
    (tmp_path / "later.sql").rename(files / "20260101000003_t3.sql")
    with closing(sqlite3.connect(tmp_path / "file.db")) as connection:
        ours("query", "-f", "-", stdin="\n".join(connection.iterdump()))
    assert [line.split(",")[1] for line in ours("migrate", "--format", "csv").splitlines()[1:]] == [
        "applied",
        "applied",
        "pending",
    ]
    ours("migrate", "up")
    ours("migrate", "rollback", "2")
    assert "t1\n" in ours("query", ".tables", "--format", "csv").replace("t1,table", "t1")
    assert ours("query", "SELECT version FROM schema_migrations", "--format", "csv") == "version\n20260101000001\n"


def test_both_refuse_the_same_files(ours: Run, dbmate: Run, files: Path, tmp_path: Path) -> None:
    for text in ("CREATE TABLE x(a);\n", "-- migrate:up\nSELECT 1;\n", "SELECT 1;\n-- migrate:up\n-- migrate:down\n"):
        (files / "20270101000000_bad.sql").write_text(text)
        with pytest.raises(AssertionError):
            dbmate("up")
        with pytest.raises(AssertionError, match=r"20270101000000_bad.sql:"):
            ours("migrate", "up")
