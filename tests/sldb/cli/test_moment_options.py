"""Moments at the command line: the values of --at, .at and --since, and the report of their transaction."""

from __future__ import annotations

import io
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lambda_handlers.shared.times import utc
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from tests.fakes.terminal.printed import TIME
from tests.sldb.cli.in_process import Done, Sldb, forget_settings, in_process

COUNT = ["query", "select count(*) as n from t", "--format", "jsonl"]


@pytest.fixture(autouse=True)
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    forget_settings(monkeypatch)
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def sldb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Sldb:
    """Over a directory: transaction 1 is of three hours ago, 2 of an hour ago, 3 of now."""

    sldb = in_process(capsys, "--local", str(tmp_path))
    sldb("query", "create table t (a)")
    sldb("query", "insert into t values (1)")
    sldb("query", "insert into t values (2)")
    for txid, hours in ((1, 3), (2, 1)):
        stamp(tmp_path, txid, int((time.time() - hours * 3600) * 1000))
    return sldb


def stamp(root: Path, txid: int, time_ms: int) -> None:
    """Have a transaction made at another time."""
    path = root / transaction(txid).key("main")
    decoder = Decoder([path.read_bytes()], str(path))
    pages = list(decoder.pages())
    path.write_bytes(encode_ltx(replace(decoder.header, timestamp_ms=time_ms), pages))
    for derived in [*path.parent.parent.rglob("*head*"), *path.parent.parent.rglob("*.map")]:
        derived.unlink()
    os.utime(path, (time_ms / 1000, time_ms / 1000))


def n(done: Done) -> int:
    assert done.status == 0, done.err
    found: int = json.loads(done.out)["n"]
    return found


@pytest.mark.parametrize(
    ("at", "txid"),
    [("1", 1), ("2h", 1), ("2h ago", 1), ("30m", 2), ("1h59m", 1), ("100 minutes ago", 1), ("now", 3)],
)
def test_a_view(sldb: Sldb, at: str, txid: int) -> None:
    done = sldb(*COUNT, "--at", at)
    assert n(done) == txid - 1
    assert re.fullmatch(rf"as of transaction {txid}, {TIME}\n", done.err)


def test_a_time_without_a_zone_is_of_this_machine(sldb: Sldb) -> None:
    [at] = [line["time"] for line in json.loads(sldb("history", "--format", "json").out) if line["txid"] == 2]
    local = re.search(TIME, sldb("query", "select 1", "--at", "2").err)
    assert local is not None
    assert local[0].endswith(("-05:00", "-04:00"))
    for written in (at, local[0], local[0][:-6], local[0][:19], local[0][:10] + "T" + local[0][11:19]):
        assert "as of transaction 2," in sldb(*COUNT, "--at", written).err, written
    assert "as of transaction 2," not in sldb(*COUNT, "--at", at[:-1]).err  # the reading of a clock in UTC


@pytest.mark.parametrize("command", [["query", "select 1"], ["export", "t"], ["dump"], ["restore"], ["pull", "x.db"],
                                     ["branch", "--as", "b"], ["query", ".tables"]])  # fmt: skip
@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("soon", "want a txid"),
        ("2025-11-02 01:30", "2025-11-02 01:30:00-04:00 and 2025-11-02 01:30:00-05:00"),
        ("2026-03-08 02:30", "2026-03-08 01:59:59-05:00 was followed by 2026-03-08 03:00:00-04:00"),
        ("2999-01-01", "2999-01-01"),
    ],
)
def test_what_no_command_takes(sldb: Sldb, command: list[str], at: str, says: str) -> None:
    done = sldb(*command, "--at", at)
    assert (done.status, says in done.err) == (2, True), done.err
    assert "[bad_request]" in done.err


def test_nothing_is_written_to_a_moment_even_to_now(sldb: Sldb) -> None:
    for at in ("now", "2h", "3"):
        done = sldb("query", "insert into t values (3)", "--at", at)
        assert (done.status, "[read_only]" in done.err) == (1, True)
    done = sldb("query", "delete from t", "--at", "now", "--dry-run")
    assert (done.status, "2 rows changed" in done.err) == (0, True)
    assert n(sldb(*COUNT)) == 2


def test_a_dot_command_looks_at_the_moment_too(sldb: Sldb) -> None:
    sldb("query", "create table later (a)")
    for at, names in (("2h", ["t"]), ("now", ["later", "t"])):
        done = sldb("query", ".tables", "--at", at, "--format", "jsonl")
        assert [json.loads(line)["name"] for line in done.out.splitlines()] == names
    assert sldb("query", ".undo", "--at", "2h").status == 1


def test_a_restore_says_what_it_found(sldb: Sldb) -> None:
    done = sldb("restore", "--at", "2h ago")
    assert re.search(rf"^as of transaction 1, {TIME}\nmain is again as it was at transaction 1 ", done.err)
    assert n(sldb(*COUNT)) == 0
    assert "main is as it was at transaction 4 already" in sldb("restore", "--at", "now").err


def test_a_log_that_ends_in_the_future_is_warned_about(sldb: Sldb, tmp_path: Path) -> None:
    ahead_ms = int((time.time() + 86_400) * 1000)
    stamp(tmp_path, 3, ahead_ms)
    viewed = sldb(*COUNT, "--at", utc(ahead_ms))
    assert n(viewed) == 2
    assert "as of transaction 3," in viewed.err
    assert "warning: the time of transaction 3 is ahead of now" in viewed.err
    assert n(sldb(*COUNT, "--at", utc(ahead_ms + 86_400_000))) == 2
    restored = sldb("restore", "--at", "30m")
    assert re.match(rf"warning: the newest of main is transaction 3, {TIME}, which is ahead of now", restored.err)
    # A txid is exact.
    assert "warning: the newest" not in sldb("restore", "--at", "2").err


def test_the_shell_takes_moments_of_several_words(sldb: Sldb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = ".at 2h ago\nselect count(*) as n from t;\n.at 30m\nselect count(*) as n from t;\n.branch early 2h ago\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(script.encode()))))
    done = sldb("shell", "--format", "jsonl")
    assert done.out == '{"n": 0}\n{"n": 1}\n'
    assert re.findall(r"as of transaction (\d+), ", done.err) == ["1", "2", "1"]
    assert n(sldb(*COUNT, "--database", "early")) == 0


def test_what_the_shell_looks_at_stays_what_it_is(sldb: Sldb, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a time meant when it was entered: not what it would mean for the next statement."""
    script = ".at 0s\nselect count(*) as n from t;\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(script.encode()))))
    sldb("query", "insert into t values (9)")
    assert sldb("shell", "--format", "jsonl").out == '{"n": 3}\n'


def test_each_of_many_databases_says_its_own(sldb: Sldb) -> None:
    sldb("branch", "main", "--as", "other", "--at", "2")
    done = sldb("query", "select count(*) from t", "--all-databases", "*", "--at", "90m")
    assert re.findall(rf"^(\w+): as of transaction (\d), {TIME}$", done.err, re.M) == [("main", "1"), ("other", "1")]


def test_a_difference_says_which_states_it_compares(sldb: Sldb) -> None:
    done = sldb("diff", "2h", "main@30m")
    assert re.findall(rf"^main: as of transaction (\d), {TIME}$", done.err, re.M) == ["1", "2"]
    assert done.err.endswith("main@1 → main@2\n")
