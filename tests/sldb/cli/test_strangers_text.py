"""Untrusted data: harmless on a terminal, and unchanged for programs, in the output of every command."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.fakes.terminal.command import sldb
from tests.fakes.terminal.pty import on_terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")

# A title for the window, a colour of C1, text that runs backwards, a line written over, DEL.
HOSTILE = "\x1b]0;owned\x07 \x9b31m \u202etxt.exe\u2066 \rover\x08 \x7f"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
FILLER = "é" * 200_000  # more than one write, whose end may be inside a character

COMMANDS = [
    "dump",
    "dump -o /dev/stdout",
    "export t",
    "export t -o /dev/stdout --format csv",
    *(f"export t --format {name}" for name in ("tsv", "json", "jsonl", "insert")),
    *(f"query --format {name} TABLE" for name in ("csv", "tsv", "json", "jsonl", "insert", "markdown", "vertical")),
    "query --format csv -o /dev/stdout TABLE",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    insert = "CREATE TABLE t (a); INSERT INTO t VALUES (:hostile || :filler)"
    made = sldb(home, "--local", "db", "query", insert, "-p", f"hostile={HOSTILE}", "-p", f"filler={FILLER[:1000]}")
    assert made.returncode == 0, made.stderr
    longer = "UPDATE t SET a = a || replace(hex(zeroblob(99500)), '00', 'éé')"
    assert sldb(home, "--local", "db", "query", longer, "--yes").returncode == 0
    return home


def arguments(command: str) -> list[str]:
    return ["SELECT a FROM t" if word == "TABLE" else word for word in command.split()]


@pytest.mark.parametrize("command", COMMANDS)
def test_on_a_terminal_it_does_nothing(home: Path, command: str) -> None:
    shown = on_terminal(home, "--local", "db", *arguments(command))
    assert shown.status == 0, shown.text[-500:]
    assert not UNSAFE.search(shown.text)
    assert shown.text.count("é") == len(FILLER)
    assert re.search(r"\\x1b\]0;owned|\\u001b\]0;owned", shown.text)
    assert "u202etxt.exe" in shown.text


@pytest.mark.parametrize("command", [command for command in COMMANDS if "export" in command or "dump" in command])
def test_for_a_program_it_is_what_it_is(home: Path, command: str) -> None:
    done = sldb(home, "--local", "db", *arguments(command))
    assert done.returncode == 0
    assert "\u202etxt.exe" in done.stdout or "\\u202etxt.exe" in done.stdout
    assert done.stdout.count("é") == len(FILLER)
    assert ("\x1b" in done.stdout) == ("json" not in command)
