"""Harlequin, the SQL IDE for terminals, over its adapter, by its command hsql."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.interop.clients import run
from tests.interop.servers import installed


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with the database `main`: two rows."""
    hsql(tmp_path, "-c", "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    hsql(tmp_path, "-c", "INSERT INTO t VALUES (1, 'ä'), (2, NULL)")
    return tmp_path


def hsql(place: Path, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    program = installed("harlequin/bin/hsql")
    environment = {**os.environ, "HOME": str(place), "XDG_CACHE_HOME": str(place), "XDG_CONFIG_HOME": str(place)}
    done = run([program, "-a", "sldb", f"local:{place / 'databases'}", *arguments], place, environment)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def test_rows_with_their_types(place: Path) -> None:
    assert json.loads(hsql(place, "--json", "-c", "SELECT * FROM t").stdout) == [
        {"a": 1, "b": "ä"},
        {"a": 2, "b": None},
    ]


def test_statements_of_a_transaction(place: Path) -> None:
    hsql(place, "-c", "BEGIN", "-c", "INSERT INTO t VALUES (3, 'x')", "-c", "ROLLBACK")
    hsql(place, "-c", "BEGIN", "-c", "INSERT INTO t VALUES (4, 'y')", "-c", "COMMIT")
    assert json.loads(hsql(place, "--json", "-c", "SELECT max(a) AS a FROM t").stdout) == [{"a": 4}]


def test_a_connection_that_only_reads(place: Path) -> None:
    refused = hsql(place, "--read-only", "-c", "DELETE FROM t", status=1)
    assert "a read-only request may not write" in refused.stderr


def test_errors_say_what_to_do(place: Path) -> None:
    assert "no such table: tt" in hsql(place, "-c", "SELECT * FROM tt", status=1).stderr
    assert "--create" in hsql(place, "--database", "pets", "-c", "CREATE TABLE p (a)", status=1).stderr
    hsql(place, "--database", "pets", "--create", "-c", "CREATE TABLE p (a)")
    refused = hsql(place, "local:other", "-c", "SELECT 1", status=2)
    assert "one target" in refused.stderr


def test_the_catalog_has_tables_and_columns(place: Path) -> None:
    hsql(place, "-c", "CREATE VIEW v AS SELECT a FROM t")
    assert [item["name"] for item in catalog(place)] == ["main"]
    assert [item["name"] for item in catalog(place, "main")] == ["t", "v"]
    assert [(item["name"], item["type"]) for item in catalog(place, "main", "t")] == [("a", "INTEGER"), ("b", "TEXT")]


def catalog(place: Path, *path: str) -> list[dict[str, str]]:
    options = ("--path", ".".join(path)) if path else ()
    found: list[dict[str, str]] = json.loads(hsql(place, "--json", "--catalog", *options).stdout)
    return found
