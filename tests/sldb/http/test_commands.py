"""The commands over the target `http://…` of a running `sldb serve`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sldb.http.server import HttpServer
from tests.fakes.local_http import served
from tests.fakes.terminal.command import sldb

TOKEN = "0123456789abcdef"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HttpServer]:
    with served(tmp_path / "db", TOKEN) as server:
        yield server


def test_query_import_export_history_migrate_and_undo(server: HttpServer, tmp_path: Path) -> None:
    def run(*words: str, stdin: str = "", status: int = 0) -> str:
        ran = sldb(tmp_path, "--target", server.url, *words, stdin=stdin, extra={"SLDB_TOKEN": TOKEN})
        assert ran.returncode == status, (words, ran.stderr)
        return ran.stdout

    run("query", "CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,y\n")
    run("import", "t.csv", "--table", "t")
    assert json.loads(run("query", "SELECT * FROM t", "--format", "json")) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert run("export", "t", "--format", "csv").splitlines() == ["a,b", "1,x", "2,y"]
    migrations = tmp_path / "db" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "20260101000000_u.sql").write_text(
        "-- migrate:up\nCREATE TABLE u (a);\n-- migrate:down\nDROP TABLE u;\n"
    )
    run("migrate", "up")
    assert len(json.loads(run("history", "--format", "json"))) >= 3
    run("shell", stdin="BEGIN;\nDELETE FROM t;\nROLLBACK;\nSELECT count(*) FROM t;\n")
    run("undo", "--yes")
    assert run("query", "SELECT * FROM missing", status=1) == ""
    run("query", "INSERT INTO t VALUES (1)", "--database", "typo", status=1)


def test_what_a_url_cannot_do_says_so(server: HttpServer, tmp_path: Path) -> None:
    for words in (("status",), ("doctor",), ("deploy", "--yes"), ("cost",), ("logs",), ("unlock", "main"), ("serve",)):
        ran = sldb(tmp_path, "--target", server.url, *words, extra={"SLDB_TOKEN": TOKEN})
        assert ran.returncode == 2, (words, ran.stderr)
        assert "Traceback" not in ran.stderr


def test_a_wrong_token_is_exit_status_3(server: HttpServer, tmp_path: Path) -> None:
    for extra in ({}, {"SLDB_TOKEN": "wrong-wrong-wrong-wrong"}):
        ran = sldb(tmp_path, "--target", server.url, "query", "SELECT 1", extra=extra)
        assert ran.returncode == 3, ran.stderr
        assert "wrong-wrong" not in ran.stderr
