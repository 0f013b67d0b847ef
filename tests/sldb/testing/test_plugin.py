"""The plugin of pytest, as tests of a program use it: in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sldb.testing.plugin import FreshDatabase

TESTS = """
import sqlalchemy as sa


def test_a_connection(sldb_connection):
    sldb_connection.execute("CREATE TABLE t (a)")
    sldb_connection.execute("INSERT INTO t VALUES (1)")
    sldb_connection.commit()


def test_the_database_of_each_test_is_empty(sldb_connection, sldb_database):
    sldb_connection.execute("CREATE TABLE t (a)")
    sldb_connection.execute("INSERT INTO t VALUES (2)")
    sldb_connection.commit()
    assert sldb_database.connect().execute("SELECT a FROM t").fetchall() == [(2,)]


def test_an_engine_of_sqlalchemy(sldb_database):
    engine = sa.create_engine(sldb_database.url)
    with engine.begin() as transaction:
        transaction.execute(sa.text("CREATE TABLE t (a)"))
    assert sldb_database.connect().execute("SELECT count(*) FROM t").fetchone() == (0,)
    engine.dispose()
"""


def run(folder: Path, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_program.py").write_text(tests, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.long
def test_each_test_has_a_database_of_its_own(tmp_path: Path) -> None:
    done = run(tmp_path, TESTS)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.network
def test_databases_in_a_stack_that_runs_on_this_machine(tmp_path: Path) -> None:
    told = """
import os

def test_whose_database_it_is(sldb_connection, sldb_database):
    assert sldb_database.target == "lambda"
    assert os.environ["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
"""
    done = run(tmp_path, TESTS + told, "--sldb=stack")
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_the_plugin_is_cheap_where_nobody_uses_it(tmp_path: Path) -> None:
    """It is loaded in each run of pytest: of sldb it imports itself alone."""
    told = """
import sys

def test_what_is_imported():
    assert sorted(name for name in sys.modules if name.partition(".")[0] in ("sldb", "lambda_handlers", "boto3")) == [
        "sldb", "sldb.testing", "sldb.testing.plugin"
    ]
"""
    done = run(tmp_path, told)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_connections_that_the_test_leaves_open_are_closed(tmp_path: Path) -> None:
    database = FreshDatabase(f"local:{tmp_path}", "main")
    connection = database.connect()
    connection.execute("SELECT 1")
    database.close()
    with pytest.raises(Exception, match="closed"):
        connection.execute("SELECT 1")
