"""The imports of a command: heavy modules would cost time at every start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.terminal import prepared
from tests.fakes.terminal.command import environment, running
from tests.fakes.terminal.command import sldb as run

HEAVY = {
    "rich",
    "prompt_toolkit",
    "pygments",
    "botocore",
    "boto3",
    "apsw",
    "obstore",
    "lambda_handlers",
    "sqlite3",
    "platformdirs",
}
LIST = "import sys; from sldb.cli.main import run; run(sys.argv[1:]); print('|', *sys.modules)"


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--version"], {"lambda_handlers"}),
        (["--help"], HEAVY - {"rich", "boto3"}),
        (
            ["--local", "db", "query", "select 1"],
            {"apsw", "obstore", "lambda_handlers", "sqlite3"},
        ),
    ],
)
def test_imports(tmp_path: Path, arguments: list[str], allowed: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIST, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment(tmp_path, {"PYTHONIOENCODING": "utf-8"}),
        cwd=tmp_path,
        timeout=60,
        check=True,
    )
    imported = {name.split(".")[0] for name in done.stdout.rpartition("|")[2].split()}
    assert not imported & (HEAVY - allowed)


def test_a_plain_query_loads_nothing_that_only_some_want(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIST, "--local", "db", "query", "select 1"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment(tmp_path, {"PYTHONIOENCODING": "utf-8"}),
        cwd=tmp_path,
        timeout=60,
        check=True,
    )
    loaded = set(done.stdout.rpartition("|")[2].split())
    assert "sldb.cli.commands.query.query" in loaded
    unwanted = (
        "sldb.actions.confirmation",
        "sldb.actions.many_databases",
        "sldb.price",
        "sldb.transfer.param_rows",
        "sldb.render.parquet",
        "sldb.shell.session",
    )
    assert not loaded & {*unwanted, "lambda_handlers.sql.changes", "pyarrow", "logging"}


@pytest.mark.skipif(not prepared.runs_commands({}), reason="needs copies of a process")
def test_a_copy_that_ends_before_its_process_id_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receive = prepared._receive

    def receive_late(connection: socket.socket) -> bytes:
        monkeypatch.setattr(prepared, "_receive", receive)
        assert [run(tmp_path, "--version").returncode for _ in range(2)] == [0, 0]  # the first copy has ended meanwhile
        return receive(connection)

    monkeypatch.setattr(prepared, "_receive", receive_late)
    assert run(tmp_path, "qurey").returncode == 2


@pytest.mark.skipif(not prepared.runs_commands({}), reason="needs copies of a process")
def test_a_copy_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    """As one of a test that fails: its connection would make a warning at the end of all tests."""
    given, given_end = os.pipe()
    words = ["--local", str(tmp_path), "shell"]
    with open(given_end, "wb"), running(tmp_path, words, (given, 1, 2), {}) as process:
        os.close(given)
    assert process.wait(0) == -signal.SIGKILL
