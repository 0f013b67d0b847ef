"""Every command, run where the clock on the wall is nine hours ahead: no time is printed without its offset."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sldb.cli.main import sldb as root
from sldb.cli.spec import walk
from tests.fakes.terminal.printed import TIME, times_without_a_zone
from tests.sldb.commands import Commands, Ran

pytestmark = pytest.mark.long

FORMATS = ("table", "json", "csv", "vertical")
Local = Callable[..., Ran]

# What is run of each command over a directory, with {time} and {second} for the time of transaction 2.
DATA: dict[str, list[list[str]]] = {
    "history": [["history"]],
    "query": [
        ["query", "SELECT a FROM t", "--at", "{time}"],
        ["query", "SELECT a FROM t", "--at", "{second}"],
        ["query", "SELECT a FROM t", "--at", "1s", "--all-databases", "*"],
        ["query", ".history"],
        ["query", ".databases"],
        ["query", ".tables", "--at", "2"],
        ["query", "SELECT * FROM gone", "--database", "gone"],
    ],
    "export": [["export", "t", "--at", "{time}", "-o", "{dir}/t.csv"]],
    "dump": [["dump", "--at", "{time}", "-o", "{dir}/t.sql"]],
    "pull": [["pull", "{dir}/t.db", "--at", "{time}", "--yes"]],
    "push": [["push", "{dir}/t.db", "--database", "pushed", "--yes"]],
    "import": [["import", "{dir}/in.csv", "--table", "t"]],
    "branch": [["branch", "main", "--as", "copy", "--at", "{time}"]],
    "diff": [["diff", "{time}"], ["diff", "{second}", "main@now"]],
    "restore": [["restore", "--at", "{time}"]],
    "undo": [["undo"]],
    "redo": [["redo"]],
    "backup": [["backup", "list", "{dir}/backups"]],
    "backup create": [["backup", "create", "{dir}/backups"]],
    "backup list": [["backup", "list", "{dir}/backups"], ["backup", "list", "{dir}/backups", "--format", "json"]],
    "backup verify": [["backup", "verify", "{dir}/backups"]],
    "backup restore": [["backup", "restore", "{dir}/backups", "--only", "main", "--as", "restored"]],
    "databases": [["databases", "--all"]],
    "databases list": [["databases", "list", "--all"]],
    "databases create": [["databases", "create", "made"]],
    "databases set": [["databases", "set", "main", "foreign_keys=off"]],
    "databases rename": [["databases", "rename", "made", "renamed"]],
    "databases drop": [["databases", "drop", "renamed", "--yes"]],
    "result": [["result", "known"], ["result", "unheard-of"]],
    "migrate new": [],  # prints the name of a file
    "migrate": [["migrate", "status", "--dir", "{dir}"]],
    "migrate status": [["migrate", "status", "--dir", "{dir}"]],
    "migrate up": [["migrate", "up", "--dir", "{dir}"]],
    "migrate rollback": [["migrate", "rollback", "--dir", "{dir}"]],
    "config": [["config"]],
    "doctor": [["doctor"]],
    "shell": [],  # below
}
# What is run of each command against AWS.
STACK: dict[str, list[list[str]]] = {
    "deploy": [["deploy", "--timeout", "30"]],
    "status": [["status"], ["status", "--format", "json"]],
    "doctor": [["doctor"], ["doctor", "--format", "json"]],
    "logs": [["logs", "--since", "1h", "--format", "table"], ["logs", "--since", "1h"]],
    "queue": [["queue", "status"]],
    "queue status": [["queue", "status"], ["queue", "status", "--format", "json"]],
    "queue peek": [["queue", "peek"]],
    "queue redrive": [["queue", "redrive", "--yes"]],
    "queue purge": [["queue", "purge", "--yes"]],
    "insights": [["insights", "--no-advice"]],
    "cost": [["cost"], ["cost", "--since", "1h", "--format", "json"]],
    "unlock": [["unlock", "--yes"]],
    "token create": [["token", "create", "app", "--expires", "2h"], ["token", "create", "job", "--format", "json"]],
    "token list": [["token", "list"], ["token", "list", "--format", "json"], ["token", "list", "--format", "csv"]],
    "token": [["token"]],
    "token rotate": [["token", "rotate", "--yes"]],
    "token revoke": [["token", "revoke", "app", "--yes"], ["token", "list", "--all"]],
    "destroy": [["destroy", "--yes"]],
}
TIMELESS = {
    *("config init", "config path", "config set", "config unset", "completion", "emulator", "emulator env"),
    "migrate-storage",
    "serve",  # whatever it prints is in HTTP
    "mcp",  # likewise in its own protocol, for programs
}


@pytest.fixture(autouse=True)
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_every_command_is_run() -> None:
    assert {" ".join(path) for path, _ in walk(root)} == DATA.keys() | STACK.keys() | TIMELESS


@pytest.mark.parametrize(
    ("text", "naked"),
    [
        ("as of transaction 5, 2026-11-26 20:04:12.345+09:00", []),
        ("2026-11-26T11:04:12Z, 2026-11-26T11:04:12.000+0000", []),
        ("2026-11-26 20:04:12", ["2026-11-26 20:04:12"]),
        ("taken at 20:04:12", ["20:04:12"]),
        ("of 2026-11-26, 20:04+09:00", ["2026-11-26"]),
        ("line 3:14:15, 127.0.0.1:4566, 12.5 s", []),
    ],
)
def test_a_time_without_a_zone_is_seen(text: str, naked: list[str]) -> None:
    assert times_without_a_zone(text) == naked


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Local:
    """Commands over a directory with a little history."""
    from sldb.cli.main import run

    for name in ("SLDB_TARGET", "SLDB_STACK", "SLDB_DATABASE", "SLDB_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLDB_CREATE", "1")

    def local(*words: str, format_name: str = "") -> Ran:
        capsys.readouterr()
        formats = ["--format", format_name] if format_name else []
        status = run(["--local", str(tmp_path / "store"), *words, *formats])
        return Ran(status, *capsys.readouterr())

    local("query", "CREATE TABLE t (a INTEGER)")
    local("query", "INSERT INTO t VALUES (1)", "--request-id", "known")
    local("query", "INSERT INTO t VALUES (2)")
    local("query", "CREATE TABLE gone (a)", "--database", "gone")
    local("databases", "drop", "gone", "--yes")
    return local


@pytest.mark.parametrize("format_name", FORMATS)
def test_what_is_printed_of_data(local: Local, tmp_path: Path, format_name: str) -> None:
    [line] = [line for line in local("history").out.splitlines() if re.match(" +2 ", line)]
    printed = re.search(TIME, line)
    assert printed is not None
    (tmp_path / "20261126110412_x.sql").write_text(
        "-- migrate:up\nCREATE TABLE m (a);\n-- migrate:down\nDROP TABLE m;\n"
    )
    (tmp_path / "in.csv").write_text("a\n3\n")
    given = {"time": printed[0], "second": printed[0][:19] + printed[0][23:], "dir": str(tmp_path)}
    for commands in DATA.values():
        for words in commands:
            own = "" if words[0] in ("export", "dump", "backup") else format_name  # their formats are those of files
            ran = local(*(word.format(**given) for word in words), format_name=own)
            assert ran.status in (0, 1), (words, ran.err)
            assert times_without_a_zone(ran.out + ran.err) == [], (words, ran.out, ran.err)


def test_what_status_prints(local: Local) -> None:
    for format_name in ("table", "json"):
        ran = local("status", format_name=format_name)
        assert (ran.status, times_without_a_zone(ran.out + ran.err)) == (0, [])


def test_a_moment_is_told_by_every_command_that_was_given_one(local: Local, tmp_path: Path) -> None:
    history = json.loads(local("history", "--format", "json").out)
    at = {line["txid"]: line["time"] for line in history}
    for commands in DATA.values():
        for words in commands:
            if "--at" not in words and words[0] != "diff":
                continue
            if words == ["query", "SELECT a FROM t", "--at", "1s", "--all-databases", "*"]:
                continue  # no transaction is as old as that
            ran = local(*(word.format(time=at[2], second=at[2], dir=str(tmp_path)) for word in words))
            found = re.search(rf"as of transaction 2, ({TIME})", ran.err)
            assert found is not None, (words, ran.err)
            assert found[1].endswith("+09:00")


def test_a_printed_time_finds_its_transaction(local: Local) -> None:
    """The very text of the table, of transactions that came as fast as they can."""
    for number in range(8):
        local("query", f"INSERT INTO t VALUES ({number})")
    for line in local("history").out.splitlines()[2:]:
        txid, printed = re.match(rf" +(\d+) │ ({TIME})", line).groups()  # type: ignore[union-attr]  # each has both
        assert f"as of transaction {txid}, {printed}\n" in local("query", "SELECT 1", "--at", printed).err


def test_what_the_shell_prints(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        ".history",
        ".databases",
        ".at 2",
        ".dump",
        ".at now",
        ".branch b 2",
        "SELECT 1;",
        ".watch 0.1 1",
        ".undo",
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    ran = local("shell")
    assert ran.status == 0, ran.err
    assert len(re.findall(TIME, ran.out)) == 4
    assert len(re.findall(r"as of transaction 2, [^\n]*\+09:00", ran.err)) == 2
    assert times_without_a_zone(ran.out + ran.err) == []


def test_what_is_printed_of_a_stack(sldb: Commands, tmp_path: Path) -> None:
    sldb.ok("deploy", "--api", "token", "--queue", "fifo")
    sldb.put_databases(tmp_path, "main")
    line = {"time": "2026-11-25T05:46:44.602Z", "level": "info", "event": "free_locks", "checked": 2}
    logs, group = sldb.client("logs"), "/aws/lambda/test-db-function"
    logs.create_log_stream(logGroupName=group, logStreamName="a")
    now_ms = int(time.time() * 1000)
    events = [{"timestamp": now_ms - 1000, "message": json.dumps(line)}]
    logs.put_log_events(logGroupName=group, logStreamName="a", logEvents=events)
    sldb.take_lock(created_at=time.time() - 20)
    for commands in STACK.values():
        for words in commands:
            ran = sldb(*words)
            assert ran.status in (0, 1), (words, ran.err)
            assert times_without_a_zone(ran.out + ran.err) == [], (words, ran.out, ran.err)
