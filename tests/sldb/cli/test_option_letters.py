"""A letter of an option means one thing in all commands; earlier spellings are accepted, with a note."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sldb.cli import spec
from sldb.cli.main import sldb
from sldb.cli.old_spellings import OldSpelling
from tests.sldb.cli.in_process import Sldb, in_process

# Letter → its meaning, and the long names that it may stand beside.
LETTERS = {
    "-c": ("SQL to run", {"--command", "--query"}),
    "-f": ("a file of SQL", {"--file"}),
    "-h": ("help", {"--help"}),
    "-m": ("a message for the history", {"--message"}),
    "-o": ("the file to write", {"--output"}),
    "-p": ("a parameter of the SQL", {"--param"}),
    "-y": ("yes, without a question", {"--yes"}),
    "-F": ("follow", {"--follow"}),
}
# Command and spelling → the spelling of today.
OLD = {
    ("pull", "-f"): "--yes",
    ("pull", "--force"): "--yes",
    ("unlock", "--force"): "--yes",
    ("logs", "-f"): "-F",
    ("export", "-q"): "-c",
}


def options() -> Iterator[tuple[str, click.Option]]:
    """Yield every option of today with the words of its command."""
    for path, command in [((), sldb), *spec.walk(sldb)]:
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not isinstance(parameter, OldSpelling):
                yield " ".join(path), parameter


def is_letter(name: str) -> bool:
    return len(name) == 2


def test_a_letter_stands_for_one_meaning() -> None:
    wrong = [
        (command, option.opts)
        for command, option in options()
        for letter in filter(is_letter, option.opts)
        if not set(option.opts) - {letter} <= LETTERS.get(letter, ("", set()))[1]
    ]
    assert wrong == []


def test_an_option_with_a_letter_has_it_in_every_command() -> None:
    letter_of = {name: letter for letter, (_, names) in LETTERS.items() for name in names}
    without = [
        (command, option.opts)
        for command, option in options()
        for name in option.opts
        if name in letter_of and letter_of[name] not in option.opts
    ]
    assert without == []


def test_the_old_spellings_are_those_that_there_were() -> None:
    found = {
        (" ".join(path), parameter.opts[0]): parameter.now
        for path, command in spec.walk(sldb)
        for parameter in command.params
        if isinstance(parameter, OldSpelling)
    }
    assert found == OLD


def test_an_old_spelling_is_not_an_option_of_today_nor_in_the_help() -> None:
    for path, command in spec.walk(sldb):
        names = [name for each in command.params if isinstance(each, click.Option) for name in each.opts]
        assert len(names) == len(set(names))
        old = {each.opts[0] for each in command.params if isinstance(each, OldSpelling)}
        shown = {name for option in spec.describe_command(path, command, sldb)["options"] for name in option["names"]}
        assert not old & shown


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Sldb:
    return in_process(capsys, "--local", str(tmp_path / "d"))


@pytest.mark.parametrize(
    ("words", "note"),
    [
        (("export", "-q", "select 1 as a"), "-q is an old spelling of -c"),
        (("export", "-qselect 1 as a"), "-q is an old spelling of -c"),
        (("export", "-c", "select 1 as a"), ""),
        (("export", "--query", "select 1 as a"), ""),
    ],
)
def test_an_old_spelling_works_and_says_the_one_of_today(run: Sldb, words: tuple[str, ...], note: str) -> None:
    assert run("query", "create table t(a)").status == 0
    done = run(*words)
    assert (done.status, done.out) == (0, "a\n1\n")
    assert done.err == (f"note: {note}: it still works\n" if note else "")


@pytest.mark.parametrize(("flag", "has_note"), [("-f", True), ("--force", True), ("-y", False), ("--yes", False)])
def test_pull_replaces_a_file_with_every_spelling(run: Sldb, tmp_path: Path, flag: str, has_note: bool) -> None:
    file = tmp_path / "out.db"
    assert run("query", "create table t(a)").status == 0
    file.write_text("something")
    refused = run("pull", str(file))
    assert (refused.status, file.read_text()) == (2, "something")
    assert "--yes" in refused.err
    done = run("pull", str(file), flag)
    assert done.status == 0
    assert (f"note: {flag} is an old spelling of --yes" in done.err) is has_note
    assert file.read_bytes().startswith(b"SQLite format 3")
