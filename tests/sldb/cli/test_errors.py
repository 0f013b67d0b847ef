"""The end of all errors, as messages and exit statuses."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest

from lambda_handlers.wire import ERROR_CODES, SldbError
from sldb.cli.errors import guard, show
from sldb.cli.main import run
from sldb.cli.streams import styled
from sldb.deploy.bundle import wheels
from sldb.deploy.bundle.platform import Platform


def raising(error: BaseException) -> NoReturn:
    raise error


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_code_has_its_exit_status(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(lambda: raising(SldbError(code, "what", "next"))) == ERROR_CODES[code].exit_code
    shown = capsys.readouterr()
    assert shown.out == ""
    outcome = "; nothing was changed" if code == "cancelled" else ""
    assert shown.err == f"error: what{outcome} [{code}]\nhint: next\n"


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (click.UsageError("no"), 2, "no"),
        (click.exceptions.Exit(4), 4, ""),
        (ValueError("oops"), 70, "this is a bug in sldb"),
    ],
)
def test_other_ends(error: BaseException, status: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(lambda: raising(error)) == status
    assert says in capsys.readouterr().err


def test_what_an_action_returns() -> None:
    assert guard(lambda: 5) == 5
    assert guard(lambda: None) == 0


@pytest.mark.parametrize(
    ("message", "query", "offset", "caret"),
    [
        ("near", "select 1 1", 9, 9),
        ("UNIQUE constraint failed: t.a", "insert into t values (1)", None, None),
        ("no such table: gone", "select * from view_of_it", None, None),
    ],
)
def test_the_place(
    message: str, query: str, offset: int | None, caret: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    show(SldbError("sql_error", message, query=query, offset=offset))
    lines = capsys.readouterr().err.splitlines()[1:]
    assert lines == ([] if caret is None else [f"  {query}", "  " + " " * caret + "^"])


def test_names_in_messages_do_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show(SldbError("sql_error", "no such table: \x1b[31m", query="select \x1b", offset=7))
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("details", "head", "place"),
    [
        ({"statement": 2, "statement_count": 5, "begins": 10}, "statement 3 of 5: no", ["  2 │ third;", "    │ ^"]),
        ({"statement": 2, "statement_count": 5, "offset": 12}, "statement 3 of 5: no", ["  2 │ third;", "    │   ^"]),
        ({"statement": 0, "statement_count": 1}, "no", []),
        ({"file": "a.sql", "offset": 12}, "a.sql:2:3: no", ["  2 │ third;", "    │   ^"]),
        ({"file": "a.sql"}, "a.sql: no", []),
        ({"file": "a\x1b.sql", "statement": 1, "statement_count": 2}, "a\\x1b.sql: statement 2 of 2: no", []),
        ({"line": 7}, "line 7: no", []),
        ({"line": 7, "offset": 12}, "line 7: no", ["  8 │ third;", "    │   ^"]),
        ({"line": 7, "script": "a\x1b.sql"}, "a\\x1b.sql:7: no", []),
    ],
)
def test_where_in_what(
    details: dict[str, object], head: str, place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    show(SldbError("constraint", "no", query="1; 22222;\nthird;\n", **details))
    first, *others = capsys.readouterr().err.splitlines()
    assert first == f"error: {head} [constraint]"
    assert others == place


@pytest.mark.parametrize(
    ("applied", "says"),
    [
        (None, "error: it went wrong [store_error]"),
        ("no", "error: it went wrong; nothing was applied [store_error]"),
        ("unknown", "error: it went wrong; whether it was applied is unknown [store_error]"),
        ("yes", "error: it went wrong; it was applied [store_error]"),
    ],
)
def test_what_became_of_the_write_is_said_by_its_field(
    applied: str | None, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show(SldbError("store_error", "it went wrong", applied=applied))
    assert capsys.readouterr().err == says + "\n"


@pytest.mark.parametrize(
    "error",
    [
        NotADirectoryError(errno.ENOTDIR, "Not a directory", "/home/ada/.cache/sldb/wheels"),
        PermissionError(errno.EACCES, "Permission denied", "/home/ada/.cache/sldb/wheels"),
        FileExistsError(errno.EEXIST, "File exists", Path("/home/ada/.cache/sldb/wheels")),
        OSError(errno.EROFS, "Read-only file system", b"/home/ada/.cache/sldb/wheels"),
        OSError(errno.ENOSPC, "No space left on device", "/home/ada/.cache/sldb/wheels"),
        OSError(errno.ENAMETOOLONG, "File name too long", "/home/ada/.cache/sldb/wheels"),
    ],
)
def test_what_the_system_refuses_is_no_bug(error: OSError, capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(lambda: raising(error)) == 3
    said = capsys.readouterr().err
    assert said.startswith(f"error: /home/ada/.cache/sldb/wheels: {error.strerror} [store_error]\nhint: ")


def test_an_error_of_no_file_is_still_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(lambda: raising(OSError("what is this"))) == 70
    assert "this is a bug in sldb" in capsys.readouterr().err


def test_a_file_where_the_cache_belongs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sldb").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    machine = Platform("python3.13", "arm64")
    assert guard(lambda: wheels.fetch([], machine, download=lambda *_: None)) == 3
    assert f"{tmp_path / 'sldb'}" in capsys.readouterr().err


def test_nobody_needs_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container whose user has no entry anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert run(["--local", "d", "query", "SELECT 1"]) == 0


def test_output_that_cannot_be_written_is_no_bug(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr("sldb.cli.errors._give_up_output", lambda: None)
    assert guard(lambda: raising(OSError(errno.ENOSPC, "No space left on device"))) == 1
    assert capsys.readouterr().err == "error: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_color_gets_none(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert styled("error", "x") != "x"
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert styled("error", "x") == "x"
