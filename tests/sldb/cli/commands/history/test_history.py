"""The commands history, restore, undo, branch and databases, over a directory, and over a function on loopback."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click.termui
import pytest

from lambda_handlers.host import Host
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.wire import new_request_id
from sldb.cli import streams
from sldb.targets.local import LocalTarget
from tests.fakes.aws.lambda_service import LambdaService, serve_lambda
from tests.fakes.databases.engine import Engine
from tests.fakes.terminal.printed import TIME
from tests.sldb.cli.in_process import Done, Sldb, forget_settings, in_process


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LambdaService]:
    """A function on loopback, with the real engine behind it."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_REGION", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with serve_lambda() as service:
        engine = LocalTarget(tmp_path / "db")
        service.target = engine  # type: ignore[assignment]  # any target will do
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", service.url)
        yield service
        engine.close()


@pytest.fixture(params=["local", "lambda"])
def sldb(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Sldb:
    forget_settings(monkeypatch)
    where = ["--local", str(tmp_path / "db")]
    if request.param == "lambda":
        function: LambdaService = request.getfixturevalue("function")
        # The fake keeps a list of requests on its target.
        function.target.requests = []
        where = ["--target", "lambda"]
    return in_process(capsys, *where)


def value(done: Done) -> Any:
    [row] = json.loads(done.out)
    return next(iter(row.values()))


def count(sldb: Sldb, database: str = "main") -> int:
    return int(value(sldb("query", "select count(*) from t", "--database", database, "--format", "json")))


def fill(sldb: Sldb) -> None:
    sldb("query", "create table t(a)")
    sldb("query", "insert into t values (1), (2), (3)")
    sldb("query", "delete from t where a > 1")


def command_in(text: str) -> list[str]:
    """The command that a message says to type, without where it goes."""
    typed = text.partition(": sldb ")[2].splitlines()[0]
    words = shlex.split(typed)
    place = next(number for number, word in enumerate(words) if word in ("--local", "--target"))
    return words[:place] + words[place + 2 :]


def test_history_for_people(sldb: Sldb) -> None:
    fill(sldb)
    lines = sldb("history").out.splitlines()
    assert [word.strip() for word in lines[0].split("│")] == ["txid", "time", "what", "size"]
    cells = [[cell.strip() for cell in line.split("│")] for line in lines[2:]]
    assert [(row[0], row[2]) for row in cells] == [("3", "DELETE"), ("2", "INSERT"), ("1", "CREATE")]
    assert re.fullmatch(TIME, cells[0][1])
    assert re.fullmatch(r"\d+ B|\d+\.\d KB", cells[0][3])


def test_history_for_programs_and_page_by_page(sldb: Sldb) -> None:
    fill(sldb)
    done = sldb("history", "--limit", "2", "--format", "json")
    lines = json.loads(done.out)
    assert [line["txid"] for line in lines] == [3, 2]
    assert lines[0]["time"].endswith("Z")
    assert isinstance(lines[0]["bytes"], int)
    following = command_in(done.err)
    assert following == ["history", "--before", "2"]
    assert [line["txid"] for line in json.loads(sldb(*following, "--format", "json").out)] == [1]


def test_history_of_nothing(sldb: Sldb) -> None:
    assert sldb("history", "--format", "json").out == "[]\n"
    done = sldb("history", "--database", "nothing")
    assert done.status == 1
    assert "there is no database nothing" in done.err


def test_restore_says_how_to_undo_it(sldb: Sldb) -> None:
    fill(sldb)
    done = sldb("restore", "--at", "2")
    assert (done.status, done.out) == (0, "")
    assert "main is again as it was at transaction 2 · " in done.err
    assert "txid 4" in done.err
    assert count(sldb) == 3
    assert command_in(done.err) == ["restore", "--at", "3"]
    sldb(*command_in(done.err))
    assert count(sldb) == 1
    again = sldb("restore", "--at", "3")
    assert "nothing was changed" in again.err


def test_restore_for_programs(sldb: Sldb) -> None:
    fill(sldb)
    [reply] = json.loads(sldb("restore", "--at", "2", "--format", "json").out)
    assert {name: reply[name] for name in ("database", "restored", "txid", "before", "changed")} == {
        "database": "main",
        "restored": 2,
        "txid": 4,
        "before": 3,
        "changed": 1,
    }


def test_what_restore_refuses(sldb: Sldb) -> None:
    fill(sldb)
    for arguments, status, says in [
        (["--at", "9"], 1, "no state at transaction 9"),
        (["--at", "0"], 1, "before its first transaction"),
        (["--at", "soon"], 2, "--at: got 'soon': want a txid (41), a time"),
        (["--at", "2", "--if-txid", "2"], 75, "the newest transaction of main is 3, not 2"),
        ([], 2, "--at"),
    ]:
        done = sldb("restore", *arguments)
        assert done.status == status, arguments
        assert says in done.err
    assert count(sldb) == 1


def test_undo_and_undo_again(sldb: Sldb) -> None:
    fill(sldb)
    done = sldb("undo")
    assert "took back transaction 3 (DELETE, of " in done.err
    assert count(sldb) == 3
    assert command_in(done.err) == ["redo"]
    done = sldb("undo")
    assert "took back transaction 2 (INSERT, of " in done.err
    assert count(sldb) == 0
    done = sldb("redo", "2", "--yes")
    assert "brought back 2 transactions: 2 (INSERT, of " in done.err
    assert command_in(done.err) == ["undo", "2"]
    assert count(sldb) == 1
    done = sldb("redo")
    assert (done.status, "error: there is nothing to redo in main; nothing was applied" in done.err) == (1, True)
    assert sldb("undo", "2").status == 0
    assert count(sldb) == 0
    assert sldb("undo", "--if-txid", "2").status == 75


def test_messages_and_commands(sldb: Sldb, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("a\n1\n2\n")
    sldb("import", str(people), "--table", "t", "-m", "the list of 2026")
    sldb("query", "delete from t where a = 1", "--message", "left")
    sldb("undo", "-m", "came back")
    sldb("redo")
    sldb("restore", "--at", "1", "-m", "all of them")
    lines = json.loads(sldb("history", "--format", "json").out)
    assert [(line["message"], line["command"], line["caller"]) for line in lines] == [
        ("all of them", "restore 1", None),
        (None, "redo", None),
        ("came back", "undo", None),
        ("left", None, None),
        ("the list of 2026", "import people.csv", None),
    ]
    assert "the list of 2026 · import people.csv" in sldb("history").out
    for text in ("", "x" * 501, "a\nb"):
        done = sldb("query", "delete from t", "-m", text)
        assert (done.status, "printable characters" in done.err) == (2, True)
    assert count(sldb) == 2


def test_undo_with_a_condition_is_done_once(sldb: Sldb) -> None:
    fill(sldb)
    for _ in range(2):
        done = sldb("undo", "--if-txid", "3", "--format", "json")
        assert (done.status, json.loads(done.out)[0]["steps"]) == (0, "3")
    assert count(sldb) == 3


def test_undo_after_the_write_of_another(
    sldb: Sldb, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second undo is meant to go on from the first, and would take back what was not looked at."""
    fill(sldb)
    sldb("undo")
    sldb("query", "insert into t values (4)")
    done = sldb("undo")
    assert done.status == 1
    assert "Since the last undo there was another write: transaction 5 (INSERT, of " in done.err
    assert "--yes takes it back" in done.err
    assert count(sldb) == 4
    monkeypatch.setattr(streams, "can_ask", lambda: True)
    monkeypatch.setattr(click.termui, "visible_prompt_func", lambda _text: "n")
    assert sldb("undo").status == 1
    assert count(sldb) == 4
    assert sldb("undo", "--yes").status == 0
    assert count(sldb) == 3
    assert sldb("undo").status == 0
    assert count(sldb) == 0


def test_undo_of_the_first_write(sldb: Sldb) -> None:
    sldb("query", "create table t(a)")
    done = sldb("undo")
    assert done.status == 1
    assert "no state before its first transaction" in done.err
    assert sldb("undo", "--database", "nothing").status == 1


def test_undo_of_what_came_before_an_announcement(sldb: Sldb, tmp_path: Path) -> None:
    """A long operation of another client that came to nothing."""
    fill(sldb)
    engine = Engine(DirectoryStore(tmp_path / "db"), tmp_path, Host())
    engine.replica.refresh()
    for _ in range(7):
        engine.replica.announce(0)
    engine.close()
    assert "announcement" in sldb("history").out
    done = sldb("undo")
    assert "took back transaction 3 (DELETE, of " in done.err
    assert count(sldb) == 3


def test_branch(sldb: Sldb) -> None:
    fill(sldb)
    done = sldb("branch", "main", "--as", "staging", "--at", "2")
    assert re.search(rf"staging is main as of transaction 2, {TIME} · 2 files, ", done.err)
    assert command_in(done.err) == ["databases", "drop", "staging"]
    assert count(sldb, "staging") == 3
    assert count(sldb) == 1
    assert "already: nothing was changed" in sldb("branch", "--as", "staging", "--at", "2").err
    sldb("query", "delete from t", "--database", "staging")
    done = sldb("branch", "--as", "staging")
    assert done.status == 1
    assert "there is a database staging already" in done.err
    assert "[exists]" in done.err
    assert sldb("branch", "--as", "Not a name").status == 2


def test_databases_come_and_go(sldb: Sldb) -> None:
    assert "no databases yet" in sldb("databases").err
    fill(sldb)
    assert "orders: created · txid 1" in sldb("databases", "create", "orders").err
    names = [line.split("│")[0].strip() for line in sldb("databases").out.splitlines()[2:]]
    assert names == ["main", "orders"]
    done = sldb("databases", "rename", "orders", "sales")
    assert "orders is sales now" in done.err
    assert command_in(done.err) == ["restore", "--at", "1", "--database", "orders"]
    done = sldb("databases", "drop", "sales")
    assert (done.status, "add --yes" in done.err) == (2, True)
    done = sldb("databases", "drop", "sales", "--yes")
    assert "sales is dropped · txid 2" in done.err
    assert command_in(done.err.partition("bring it back")[2]) == ["restore", "--at", "1", "--database", "sales"]
    assert [one["name"] for one in json.loads(sldb("databases", "--format", "json").out)] == ["main"]
    every = {
        one["name"]: one["state"] for one in json.loads(sldb("databases", "list", "--all", "--format", "json").out)
    }
    assert every == {"main": "ok", "orders": "dropped", "sales": "dropped"}
    done = sldb("query", "select 1", "--database", "sales")
    assert (done.status, "was dropped by transaction 2" in done.err) == (1, True)
    assert sldb("restore", "--at", "1", "--database", "sales").status == 0
    assert sldb("query", "select 1", "--database", "sales").status == 0


def test_whether_a_database_enforces_foreign_keys(sldb: Sldb) -> None:
    fill(sldb)
    assert [one["foreign_keys"] for one in json.loads(sldb("databases", "--format", "json").out)] == [True]
    assert " on " in sldb("databases").out
    done = sldb("databases", "set", "main", "foreign_keys=off")
    assert "main: foreign keys are not enforced · txid 4" in done.err
    assert command_in(done.err) == ["databases", "set", "main", "foreign_keys=on"]
    assert "as before" in sldb("databases", "set", "main", "foreign_keys=OFF").err
    assert [one["foreign_keys"] for one in json.loads(sldb("databases", "--format", "json").out)] == [False]
    assert json.loads(sldb("databases", "set", "main", "foreign_keys=on", "--format", "json").out)[0]["changed"] == 1
    assert "set database" in sldb("undo").err
    assert json.loads(sldb("query", "PRAGMA foreign_keys", "--format", "json").out) == [{"foreign_keys": 0}]
    for setting in ("foreign_keys", "foreign_keys=maybe", "journal_mode=on", "foreign_keys=on=off"):
        done = sldb("databases", "set", "main", setting)
        assert (done.status, "want foreign_keys=on or foreign_keys=off" in done.err) == (2, True)


@pytest.mark.parametrize(("typed", "status", "left"), [("sales", 0, 0), ("yes", 1, 1), ("", 1, 1)])
def test_drop_asks_for_the_name(
    sldb: Sldb, monkeypatch: pytest.MonkeyPatch, typed: str, status: int, left: int
) -> None:
    sldb("databases", "create", "sales")
    monkeypatch.setattr(streams, "can_ask", lambda: True)
    monkeypatch.setattr(click.termui, "visible_prompt_func", lambda _prompt="": typed)
    done = sldb("databases", "drop", "sales")
    assert done.status == status
    assert "This drops sales: 4.1 KB, last written " in done.err
    assert len(json.loads(sldb("databases", "--format", "json").out)) == left


def test_a_copy_that_was_stopped_is_dropped(sldb: Sldb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(sldb)
    sldb("branch", "--as", "half")
    for path in (tmp_path / "db" / "half").rglob("*"):
        if path.parent.name == "0001" or path.name == "head.json":  # what comes last
            path.unlink()
    [half] = [one for one in json.loads(sldb("databases", "--format", "json").out) if one["name"] == "half"]
    assert half["state"] == "unfinished"
    monkeypatch.setattr(streams, "can_ask", lambda: True)
    monkeypatch.setattr(click.termui, "visible_prompt_func", lambda _prompt="": "half")
    done = sldb("databases", "drop", "half")
    assert done.status == 0
    assert "This drops half: a copy that was stopped" in done.err
    assert "half is dropped · txid 4" in done.err
    assert "nothing to bring back" in done.err
    assert sldb("query", "create table t(a)", "--database", "half", "--create").status == 0


def test_a_format_that_is_none_is_refused_before_anything_is_done(sldb: Sldb) -> None:
    assert sldb("history", "--format", "xml").status == 2
    fill(sldb)
    for words in (["restore", "--at", "2"], ["undo"], ["databases", "drop", "main", "--yes"], ["branch", "--as", "x"]):
        assert sldb(*words, "--format", "xml").status == 2
    assert [line["txid"] for line in json.loads(sldb("history", "--format", "json").out)] == [3, 2, 1]


def test_what_became_of_a_write(sldb: Sldb) -> None:
    sldb("query", "create table t(a)")
    assert sldb("query", "insert into t values (7), (8) returning a", "--request-id", "mine").status == 0
    done = sldb("result", "mine", "--format", "json")
    [told] = json.loads(done.out)
    assert done.status == 0
    assert (told["request_id"], told["state"], told["txid"]) == ("mine", "applied", 2)
    assert told["time"].endswith("Z")
    assert "applied by transaction 2, " in done.err
    assert json.loads(sldb("result", "mine", "--rows", "--format", "json").out) == [{"a": 7}, {"a": 8}]
    assert count(sldb) == 2


def test_what_became_of_nothing(sldb: Sldb) -> None:
    for _ in range(2):  # before there is a database, and after
        done = sldb("result", "mine")
        assert done.status == 1
        assert "not_applied" in done.out
        assert "not applied since " in done.err
        sldb("query", "create table t(a)")
    long_ago = sldb("result", new_request_id(time.time() - 4000, bytes(10)), "--rows")
    assert long_ago.status == 1
    assert "unknown" in long_ago.out
    assert "forgotten" in long_ago.err
    assert sldb("result", "a\nb").status == 2
