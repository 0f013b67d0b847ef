"""The stage: it shows and runs commands in order, and stops after an unexpected exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from demo.scenes import SCENES, Command
from demo.stage import WIDTH, Derailed, Stage, arguments
from sldb.cli.groups import COMMANDS

COMMAND_LINES = [step for scene in SCENES for step in scene.steps if isinstance(step, Command)]


def on_stage(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code that has a `stage`, and whose command `python` is this Python."""
    program = f"import os, sys\nfrom demo.stage import Stage\nstage = Stage({{**os.environ, **{environment!r}}})\n"
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", program + code], cwd=root, capture_output=True, encoding="utf-8", check=False
    )


def test_a_command_is_followed_by_its_own_output_errors_included() -> None:
    done = on_stage(
        "stage.title(1, 'One', 'Why.')\n"
        "stage.run('python -c \"import sys; print(1); sys.stdout.flush(); print(2, file=sys.stderr)\"')\n"
        "stage.say('end')"
    )
    title, remark, _, command, *output = done.stdout.strip().splitlines()
    assert (len(title), title.strip("─ ")) == (WIDTH, "1  One")
    assert (remark, command.split()[:2]) == ("Why.", ["$", "python"])
    assert output == ["1", "2", "end"]
    assert done.stderr == ""


def test_no_escape_sequences_where_there_is_no_terminal() -> None:
    assert "\x1b" not in on_stage("stage.title(1, 'One', 'Why.'); stage.show('sldb status')").stdout


def test_a_command_gets_the_environment_and_no_input() -> None:
    command = """python -c "import os, sys; print(os.environ['PLANET'], repr(sys.stdin.read()))" """
    assert on_stage(f"stage.run({command!r})", PLANET="mars").stdout.endswith("mars ''\n")


def test_an_exit_status_that_is_not_in_the_script_ends_it() -> None:
    stage = Stage({})
    stage.run("python -c 'raise SystemExit(75)'", status=75)
    with pytest.raises(Derailed, match="exit status 3 instead of 0"):
        stage.run("python -c 'raise SystemExit(3)'")


def test_words_are_split_as_a_shell_would() -> None:
    assert arguments("sldb query -p 1 \\\n  \"SELECT 'a b'\nFROM t\"") == [
        "sldb",
        "query",
        "-p",
        "1",
        "SELECT 'a b'\nFROM t",
    ]


@pytest.mark.parametrize("command", COMMAND_LINES, ids=lambda command: command.text.splitlines()[0])
def test_the_scenes_show_commands_of_ours_that_fit(command: Command) -> None:
    program, name = arguments(command.text)[:2]
    assert program == "sldb"
    assert name in COMMANDS
    assert max(len(f"$ {line}") for line in command.text.splitlines()) <= WIDTH


def test_the_remarks_fit() -> None:
    assert max(len(line) for scene in SCENES for line in scene.remark.splitlines()) <= WIDTH
