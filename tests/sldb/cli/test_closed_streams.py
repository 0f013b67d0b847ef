"""Commands with closed standard streams behave as without a user; a failed write to a stream does not change their
effect."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sldb.cli.groups import COMMANDS
from tests.fakes.terminal.command import sldb as run_sldb

ROOT = Path(__file__).parents[3]
NOBODY = "</dev/null >/dev/null 2>/dev/null"
CLOSED = ("<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-")
# Each so that it does something, as far as it can without AWS.
ARGUMENTS = {
    "deploy": ("deploy", "--yes"),
    "destroy": ("destroy", "--yes"),
    "status": ("status",),
    "doctor": ("--local", "d", "doctor"),
    "cost": ("cost",),
    "logs": ("logs",),
    "query": ("--local", "d", "query", "INSERT INTO t VALUES (3); SELECT * FROM t"),
    "shell": ("--local", "d", "shell"),
    "import": ("--local", "d", "import", "rows.csv", "--table", "t"),
    "export": ("--local", "d", "export", "t"),
    "dump": ("--local", "d", "dump"),
    "history": ("--local", "d", "history"),
    "restore": ("--local", "d", "restore", "--at", "1"),
    "undo": ("--local", "d", "undo"),
    "redo": ("--local", "d", "redo"),
    "diff": ("--local", "d", "diff", "1", "2"),
    "branch": ("--local", "d", "branch", "--as", "copy"),
    "databases": ("--local", "d", "databases"),
    "push": ("--local", "d", "push", "x.sqlite"),
    "pull": ("--local", "d", "pull", "y.sqlite"),
    "result": ("--local", "d", "result", "nobody"),
    "migrate": ("--local", "d", "migrate", "status"),
    "unlock": ("unlock",),
    "queue": ("queue", "status"),
    "insights": ("--local", "d", "insights"),
    "backup": ("--local", "d", "backup", "create", "copies"),
    "migrate-storage": ("migrate-storage", "efs", "--create-vpc", "--yes"),
    "token": ("token", "list"),
    "config": ("config",),
    "completion": ("completion", "bash"),
    "serve": ("--local", "d", "serve", "--host", "0.0.0.0"),  # refused without a token; it would not end otherwise
    "mcp": ("--local", "d", "mcp"),
    "emulator": ("emulator", "--", "true"),
}


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a database and files, for each test to copy."""
    directory = tmp_path_factory.mktemp("pattern")
    (directory / "rows.csv").write_text("a\n7\n")
    connection = sqlite3.connect(directory / "x.sqlite")
    connection.executescript("CREATE TABLE pushed (a); INSERT INTO pushed VALUES (1)")
    connection.close()
    for sql in ("CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2)"):
        assert sldb(directory, NOBODY, "--local", "d", "query", sql) == 0
    return directory


@pytest.fixture
def place(pattern: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pattern, tmp_path / "place"))


def sldb(place: Path, redirections: str, *arguments: str) -> int:
    """The exit status of a command that a shell starts with these redirections."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLDB_"))}
    no_aws = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1", "HOME": str(place)}
    ran = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-m", "sldb", *arguments],
        cwd=place,
        env={**kept, **no_aws, "PYTHONPATH": str(ROOT)},
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return ran.returncode


def rows(place: Path) -> list[str]:
    done = run_sldb(place, "--local", "d", "query", "SELECT a FROM t ORDER BY a", "--format", "csv")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[1:]


def test_every_command_is_among_them() -> None:
    assert set(ARGUMENTS) == set(COMMANDS)


@pytest.mark.parametrize("command", ARGUMENTS)
def test_with_all_closed_it_runs_as_if_nobody_were_there(command: str, place: Path, tmp_path: Path) -> None:
    status = sldb(place, "<&- >&- 2>&-", *ARGUMENTS[command])
    (place / "y.sqlite").unlink(missing_ok=True)
    if command in ("branch", "import", "push", "query", "restore", "undo"):
        assert status in (0, 1)  # 1: a question that nobody answers
    else:
        assert status == sldb(place, NOBODY, *ARGUMENTS[command])
    assert status != 70


@pytest.mark.sampled
@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("command", ["query", "import", "shell"])
def test_whichever_is_closed_what_it_does_is_done(command: str, closed: str, place: Path) -> None:
    # The shell has nothing on its standard input, which is an error.
    assert sldb(place, closed, *ARGUMENTS[command]) == {"query": 0, "import": 0, "shell": 2}[command]
    assert rows(place) == ["1", "2", *{"query": ["3"], "import": ["7"], "shell": []}[command]]


@pytest.mark.parametrize("closed", CLOSED)
def test_no_message_lands_in_a_file(closed: str, place: Path) -> None:
    """A file that is opened next has the number of the stream that was closed."""
    assert sldb(place, closed, "--local", "d", "pull", "y.sqlite") == 0
    connection = sqlite3.connect(place / "y.sqlite")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(2,)]
    connection.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("command", ["query", "import"])
def test_a_full_disk_below_standard_error_denies_nothing(command: str, place: Path) -> None:
    assert sldb(place, "2>/dev/full", *ARGUMENTS[command]) == 0
    assert rows(place) == ["1", "2", {"query": "3", "import": "7"}[command]]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.sampled
@pytest.mark.parametrize("command", ["query", "export", "dump", "history", "databases", "config", "completion"])
@pytest.mark.parametrize("rest", ["", "2>&1"])
def test_a_full_disk_below_standard_output_is_an_error(command: str, rest: str, place: Path) -> None:
    assert sldb(place, f">/dev/full {rest}", *ARGUMENTS[command]) == 1


def test_an_error_keeps_its_status_where_it_cannot_be_told(place: Path) -> None:
    for redirections in ("2>&-", "2>/dev/full"):
        assert sldb(place, redirections, "--local", "d", "query", "SELECT nope") == 1
        assert sldb(place, redirections, "--nope") == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    ("arguments", "is_told"),
    [
        (("query", "INSERT INTO t VALUES (9) RETURNING a"), True),
        (("branch", "main", "--as", "other", "--format", "json"), True),
        (("query", "SELECT 1"), False),
        (("query", "INSERT INTO t VALUES (9) RETURNING a", "--dry-run"), False),
    ],
)
def test_what_was_written_is_told_where_its_outcome_cannot_be(
    place: Path, arguments: tuple[str, ...], is_told: bool
) -> None:
    assert sldb(place, ">/dev/full 2>said", "--local", "d", *arguments) == 1
    said = (place / "said").read_text()
    assert ("written to database " in said) == is_told, said
    assert "the output cannot be written" in said
