"""The help: on 80 columns, by groups, the global options once; `sldb help`; and what a mistyped command may mean."""

from __future__ import annotations

import click
import pytest
from click.shell_completion import ShellComplete

from sldb.cli import spec
from sldb.cli.global_options import GLOBAL_OPTIONS
from sldb.cli.groups import GROUPS
from sldb.cli.help import SEE_GLOBALS
from sldb.cli.main import sldb
from tests.sldb.cli.in_process import Sldb, in_process

COMMANDS = dict(spec.walk(sldb))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sldb:
    """Return the command line on a screen of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    return in_process(capsys)


@pytest.mark.parametrize("path", [(), ("globals",), ("help",), *COMMANDS], ids=" ".join)
def test_no_line_is_wider_than_80_columns(run: Sldb, path: tuple[str, ...]) -> None:
    done = run("help", *path)
    assert (done.status, done.err) == (0, "")
    assert [line for line in done.out.splitlines() if len(line) > 80] == []


def test_every_command_has_its_whole_summary_on_one_line(run: Sldb) -> None:
    lines = run("--help").out.splitlines()
    widest = max(len(name) for group in GROUPS for name in group.commands)
    for group in GROUPS:
        for name in group.commands:
            summary = COMMANDS[(name,)].get_short_help_str(1000)
            assert f"  {name:<{widest}}  {summary}" in lines
    assert not any("..." in line for line in lines if not line.startswith("Usage:"))


@pytest.mark.parametrize("path", [path for path, command in COMMANDS.items() if isinstance(command, click.Group)])
def test_so_has_every_subcommand(run: Sldb, path: tuple[str, ...]) -> None:
    lines = [" ".join(line.split()) for line in run("help", *path).out.splitlines()]
    for below, command in COMMANDS.items():
        if below[:-1] == path:
            assert f"{below[-1]} {command.get_short_help_str(1000)}" in lines


def test_the_groups_have_the_names_of_the_documentation() -> None:
    assert [group.title for group in GROUPS] == ["Query", "Data in and out", "History", "Databases", "Access", "Stack"]


@pytest.mark.parametrize("path", [(), *COMMANDS], ids=" ".join)
def test_the_global_options_are_described_once(run: Sldb, path: tuple[str, ...]) -> None:
    page = run("help", *path).out
    assert page.splitlines().count(SEE_GLOBALS) == 1
    shown = [words[0] for line in page.splitlines() if (words := line.split()) and line.startswith("  --")]
    own = {"--database"} if path == ("token", "create") else set()  # which can be given several times
    assert {option.opts[0] for option in GLOBAL_OPTIONS} & set(shown) == own
    assert all(f"\n  {option.opts[0]} " in run("help", "globals").out for option in GLOBAL_OPTIONS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_and_the_option_help_are_the_same_page(run: Sldb, path: tuple[str, ...]) -> None:
    assert run("help", *path).out == run(*path, "--help").out == run(*path, "-h").out


def test_help_alone_is_the_page_of_sldb(run: Sldb) -> None:
    assert run("help").out == run("--help").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("help", "qurey"), "no such command: sldb qurey. Did you mean sldb query or sldb queue?"),
        (("help", "migrate", "upp"), "no such command: sldb migrate upp. Did you mean sldb migrate up?"),
        (("help", "global"), "no such command: sldb global. Did you mean sldb help globals?"),
        (("help", "xyzzy"), "no such command: sldb xyzzy"),
        (("help", "query", "x"), "sldb query has no subcommands"),
        (("qurey",), "no such command: sldb qurey. Did you mean sldb query or sldb queue?"),
        (("HISTORY", "x"), "no such command: sldb HISTORY. Did you mean sldb history?"),
        (("migrate", "rolback"), "no such command: sldb migrate rolback. Did you mean sldb migrate rollback?"),
        (("databases", "dorp", "x"), "no such command: sldb databases dorp. Did you mean sldb databases drop?"),
        (("config", "xyzzy"), "no such command: sldb config xyzzy"),
    ],
)
def test_an_unknown_command_is_a_usage_error(run: Sldb, words: tuple[str, ...], message: str) -> None:
    done = run(*words)
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines()[-1] == f"Error: {message}"


@pytest.mark.parametrize(
    ("words", "incomplete", "found"),
    [
        (["help"], "qu", ["query", "queue"]),
        (["help"], "glo", ["globals"]),
        (["help", "migrate"], "", ["new", "rollback", "status", "up"]),
        (["help", "query"], "", []),
        (["help", "migrate"], "glo", []),
        ([], "hel", ["help"]),
    ],
)
def test_the_words_of_help_are_completed(words: list[str], incomplete: str, found: list[str]) -> None:
    completion = ShellComplete(sldb, {}, "sldb", "_SLDB_COMPLETE")
    assert [item.value for item in completion.get_completions(words, incomplete)] == found
