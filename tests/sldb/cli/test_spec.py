"""Every command has a help with valid examples, and the generated documentation is up to date."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import click
import pytest

from docs import reference
from lambda_handlers.wire import ERROR_CODES
from sldb.cli import spec
from sldb.cli.groups import GROUPS
from sldb.cli.main import sldb
from tests.fakes.terminal.command import ROOT, environment
from tests.fakes.terminal.command import sldb as run

COMMANDS = dict(spec.walk(sldb))
EXAMPLES = [(path, example.line) for path, command in COMMANDS.items() for example in spec.examples(command)]
OPERATORS = ("|", "||", "&&", ";", "<", ">", ">>")


def parse(line: str) -> tuple[str, ...]:
    """Return the words of a line's command. Raises click's UsageError for an invalid line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    words = list(takewhile(lambda word: word not in OPERATORS, lexer))
    found: list[str] = []
    group: click.Command = sldb
    context = group.make_context("sldb", words[1:], resilient_parsing=False)
    while isinstance(group, click.Group) and (rest := [*context._protected_args, *context.args]):
        name, command, rest = group.resolve_command(context, rest)
        assert command is not None
        found.append(str(name))
        context = command.make_context(name, rest, parent=context)
        group = command
    return tuple(found)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_a_help_with_an_example(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.get_short_help_str(200).endswith(".")
    assert spec.examples(command), "no line of its help is an example"
    assert all(option["help"] for option in spec.describe_command(path, command, sldb)["options"])


@pytest.mark.parametrize("line", [line for _, line in EXAMPLES])
def test_every_example_would_be_accepted(line: str) -> None:
    assert parse(line) in COMMANDS


def test_the_check_of_examples_sees_what_is_wrong() -> None:
    for line in ("sldb nope", "sldb query --nope x", "sldb branch main", "sldb migrate rollback x"):
        with pytest.raises(click.UsageError):
            parse(line)


def test_some_command_of_each_help_is_the_command_itself() -> None:
    shown = {(path, parse(line)[: len(path)]) for path, line in EXAMPLES}
    assert [path for path in COMMANDS if (path, path) not in shown] == []


def test_the_page_of_the_commands_is_what_the_commands_say() -> None:
    written = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert written == reference.markdown(), "make docs writes it anew"


def test_the_spec_is_complete(tmp_path: Path) -> None:
    done = run(tmp_path, "--spec")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert [tuple(command["command"]) for command in found["commands"]] == list(COMMANDS)
    assert found["error_codes"]["conflict"] == {"exit_status": 75, "http_status": 409}
    assert {code["exit_status"] for code in found["error_codes"].values()} <= set(map(int, found["exit_statuses"]))
    assert set(found["error_codes"]) == set(ERROR_CODES)
    (up,) = [command for command in found["commands"] if command["command"] == ["migrate", "up"]]
    options = {option["names"][0]: option for option in up["options"]}
    assert options["--dir"]["type"] == "directory"
    assert options["--strict"]["flag"] is True
    (completion,) = [command for command in found["commands"] if command["command"] == ["completion"]]
    assert completion["arguments"][0]["choices"] == ["bash", "zsh", "fish"]
    assert "\b" not in done.stdout


def test_the_groups_hold_every_command_once(tmp_path: Path) -> None:
    found = json.loads(run(tmp_path, "--spec").stdout)
    grouped = {name: group["name"] for group in found["groups"] for name in group["commands"]}
    assert sum(len(group["commands"]) for group in found["groups"]) == len(grouped)
    assert {command["command"][0]: command["group"] for command in found["commands"]} == grouped
    folders = {path.parent.name for path in (ROOT / "sldb/cli/commands").rglob("*.py") if path.stem != "__init__"}
    assert {group["name"] for group in found["groups"]} == folders


def test_the_help_lists_the_commands_in_their_groups(tmp_path: Path) -> None:
    lines = run(tmp_path, "--help").stdout.splitlines()
    for group in GROUPS:
        start = lines.index(f"{group.title}: {group.meaning}") + 1
        assert [line.split()[0] for line in lines[start : start + len(group.commands)]] == list(group.commands)


def test_the_spec_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys; from sldb.cli.main import run; run(['--spec']); print('|', *sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, env=environment(tmp_path), cwd=tmp_path, timeout=60, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.decode().rpartition("|")[2].split()}
    assert not loaded & {"rich", "prompt_toolkit", "pygments", "boto3", "botocore", "apsw", "obstore", "moto"}
