"""Completion in real shells, key by key: the offered values, and no use of the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.terminal.command import ROOT, environment
from tests.fakes.terminal.command import sldb as run

Complete = Callable[..., set[str]]
SHELLS = [
    pytest.param(name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"no {name} here"))
    for name in ("bash", "zsh", "fish")
]

# Each prints what Tab offers behind $LINE, a candidate a line, through the function that `sldb completion` set up.
DRIVERS = {
    "bash": """
        eval "$(sldb completion bash)"
        complete -p sldb > /dev/null || exit 9
        COMP_WORDS=($LINE ''); [ -n "$LAST" ] && COMP_WORDS=($LINE "$LAST"); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
        _sldb_completion sldb; printf '%s\\n' "${COMPREPLY[@]}" """,
    "zsh": """
        autoload -U compinit; compinit -u -d "$HOME/zcompdump"
        _describe() { for entry in ${(P)3:-${(P)2}}; do print -r -- ${entry%%:*}; done }
        compadd() { print -rl -- ${(P)@[-1]} }
        _path_files() { print FILES "$@" }
        eval "$(sldb completion zsh)"
        words=(${=LINE} "$LAST"); CURRENT=${#words}
        _sldb_completion sldb""",
    "fish": 'sldb completion fish | source; complete -C "$LINE $LAST"',
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With `sldb` on the path, and two databases below ./db."""
    binary = tmp_path / "bin" / "sldb"
    binary.parent.mkdir()
    code = "from sldb.cli.main import main; main()"
    binary.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
    binary.chmod(0o755)
    for name in ("orders", "other"):
        run(tmp_path, "--local", "db", "databases", "create", name)
    (tmp_path / "config.toml").write_text('[profiles.dev]\ntarget = "local:db"\n')
    return tmp_path


@pytest.fixture
def complete(home: Path) -> Complete:
    def complete(shell: str, line: str, last: str = "") -> set[str]:
        extra = {
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "LINE": line,
            "LAST": last,
            "SLDB_CONFIG": str(home / "config.toml"),
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",  # where nobody answers
        }
        options = {"bash": ["--norc", "-c"], "zsh": ["-f", "-c"], "fish": ["--no-config", "-c"]}[shell]
        done = subprocess.run(
            [shell, *options, DRIVERS[shell]],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment(home, extra),
            cwd=home,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        return {line.split("\t")[0] for line in done.stdout.splitlines()}

    return complete


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_and_their_commands(complete: Complete, shell: str) -> None:
    assert {"query", "shell", "deploy", "migrate"} <= complete(shell, "sldb")
    assert complete(shell, "sldb", "mig") == {"migrate", "migrate-storage"}
    assert complete(shell, "sldb migrate") == {"new", "rollback", "status", "up"}


@pytest.mark.parametrize("shell", SHELLS)
def test_options_and_their_values(complete: Complete, shell: str) -> None:
    assert {"--dry-run", "--database", "--at"} <= complete(shell, "sldb query", "--")
    assert complete(shell, "sldb query --format", "js") == {"json", "jsonl"}
    assert complete(shell, "sldb completion") == {"bash", "zsh", "fish"}
    assert complete(shell, "sldb --use") == {"dev"}
    assert "target" in complete(shell, "sldb config set")


@pytest.mark.parametrize("shell", SHELLS)
def test_databases_of_a_directory_and_none_of_the_network(complete: Complete, shell: str) -> None:
    assert complete(shell, "sldb --local db query --database") == {"orders", "other"}
    assert complete(shell, "sldb --use dev shell --database", "ot") == {"other"}
    assert complete(shell, "sldb --local db databases drop", "or") == {"orders"}
    assert {name for name in complete(shell, "sldb query --database") if name} == set()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_broken_config_says_nothing(complete: Complete, home: Path, shell: str) -> None:
    (home / "config.toml").write_text("nonsense")
    assert {name for name in complete(shell, "sldb --use") if name} == set()
