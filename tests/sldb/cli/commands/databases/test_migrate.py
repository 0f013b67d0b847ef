"""The command `sldb migrate` as a process: its output and exit statuses."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.terminal.command import sldb

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return sldb(tmp_path, "--local", "store", *arguments)

    return run


def write(directory: Path, version: int, up: str, down: str = "SELECT 1;") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{version}_m{version}.sql"
    path.write_text(f"-- migrate:up\n{up}\n-- migrate:down\n{down}\n", "utf-8")
    return path


def test_from_the_first_file_to_the_last_roll_back(run: Run, tmp_path: Path) -> None:
    path = tmp_path / run("migrate", "new", "create users").stdout.strip()
    assert path.parent == tmp_path / "db" / "migrations"
    path.write_text("-- migrate:up\nCREATE TABLE users(a);\n-- migrate:down\nDROP TABLE users;\n")
    assert run("migrate", "status", "--exit-code").returncode == 1
    rehearsed = run("migrate", "up", "--rehearse", "--format", "jsonl")
    assert [json.loads(line)["name"] for line in rehearsed.stdout.splitlines()] == ["users"]
    assert "main is as it was" in rehearsed.stderr
    done = run("migrate", "up", "--format", "json")
    assert done.stderr.startswith(f"applied {path.name} · ")
    assert [row["file"] for row in json.loads(done.stdout)] == [path.name]
    assert run("migrate", "status", "--exit-code").returncode == 0
    assert run("migrate", "up").stderr == "main: nothing to apply\n"
    undone = run("migrate", "rollback")
    assert "to undo this: sldb restore --at 1 --local store" in undone.stderr
    assert run("query", "SELECT * FROM users").returncode == 1
    assert run("migrate", "rollback").stderr == "main: nothing to roll back\n"


def test_an_error_in_the_middle_keeps_what_was_before_it(run: Run, tmp_path: Path) -> None:
    here = tmp_path / "db" / "migrations"
    write(here, 1, "CREATE TABLE t(a);")
    write(here, 2, "INSERT INTO t VALUES (1);\nINSERT INTO t\n  VALUES (nope);")
    write(here, 3, "CREATE TABLE u(a);")
    done = run("migrate", "up", "--format", "csv")
    assert done.returncode == 1
    assert done.stdout == "version,file,txid\n1,1_m1.sql,1\n"
    assert "2_m2.sql:4:11: statement 2 of 2: no such column: nope [sql_error]" in done.stderr
    assert "\n  4 │   VALUES (nope);\n    │           ^\n" in done.stderr
    states = json.loads(run("migrate", "--format", "json").stdout)
    assert [row["state"] for row in states] == ["applied", "pending", "pending"]
    assert run("query", "SELECT count(*) AS n FROM t", "--format", "jsonl").stdout == '{"n": 0}\n'


def test_what_is_odd_is_said_and_refused_if_asked(run: Run, tmp_path: Path) -> None:
    here = tmp_path / "other"
    for version in (1, 3, 5):
        write(here, version, f"CREATE TABLE t{version}(a);")
    assert run("migrate", "--dir", "other", "up").returncode == 0
    write(here, 2, "CREATE TABLE t2(a);")
    write(here, 3, "CREATE TABLE t3(a, b);")
    (here / "5_m5.sql").unlink()
    states = json.loads(run("migrate", "status", "--dir", "other", "--format", "json").stdout)
    assert [row["state"] for row in states] == ["applied", "out_of_order", "changed", "missing"]
    assert run("migrate", "up", "--dir", "other", "--strict").returncode == 2
    done = run("migrate", "up", "--dir", "other")
    assert done.returncode == 0
    assert "note: 2_m2.sql is older than one that is applied\n" in done.stderr
    assert "note: 3_m3.sql was changed after it was applied\n" in done.stderr
    assert "note: 5 is applied, and there is no file for it\n" in done.stderr
    assert "applied 2_m2.sql" in done.stderr
    gone = run("migrate", "rollback", "--dir", "other")
    assert (gone.returncode, "no file with the SQL to roll it back" in gone.stderr) == (2, True)


def test_usage(run: Run, tmp_path: Path) -> None:
    assert "sldb migrate --local store new NAME creates one" in run("migrate").stderr
    write(tmp_path / "db" / "migrations", 1, "SELECT 1;")
    assert run("migrate", "up", "--to", "7").returncode == 2
    assert run("migrate", "rollback", "0").returncode == 2
    assert run("migrate", "new", "a/b").returncode == 2
