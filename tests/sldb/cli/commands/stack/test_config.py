"""The command `sldb config`, and the order of the sources of a value."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.terminal.command import sldb

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        extra.setdefault("SLDB_CONFIG", str(tmp_path / "config.toml"))
        return sldb(tmp_path, *arguments, extra=extra)

    return run


def in_force(run: Run, *arguments: str, **extra: str) -> dict[str, tuple[str | None, str]]:
    done = run("config", *arguments, "--format", "json", **extra)
    assert done.returncode == 0, done.stderr
    return {row["key"]: (row["value"], row["from"]) for row in json.loads(done.stdout)}


def test_the_order_of_the_places(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    assert in_force(run)["stack"] == ("test-db", "default")
    file.write_text('stack = "top"\n[profiles.dev]\nstack = "dev"\n')
    assert in_force(run)["stack"] == ("top", f"{file}:1")
    assert in_force(run, "--use", "dev")["stack"] == ("dev", f"{file}:3")
    assert in_force(run, SLDB_USE="dev")["stack"] == ("dev", f"{file}:3")
    assert in_force(run, "--use", "dev", SLDB_STACK="env")["stack"] == ("env", "SLDB_STACK")
    assert in_force(run, "--use", "dev", "--stack", "flag", SLDB_STACK="env")["stack"] == ("flag", "--stack")
    assert in_force(run, "--local", "x")["target"] == ("local:x", "--local")


def test_credentials_in_the_environment_outweigh_a_profile_in_the_config(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('profile = "work"\n')
    assert in_force(run)["profile"][0] == "work"
    assert in_force(run, AWS_ACCESS_KEY_ID="k")["profile"] == (None, "AWS_ACCESS_KEY_ID")
    assert in_force(run, AWS_PROFILE="home")["profile"] == ("home", "AWS_PROFILE")


def test_set_and_unset(run: Run, tmp_path: Path) -> None:
    assert run("config", "path").stdout == f"{tmp_path / 'config.toml'}\n"
    assert run("config", "init").returncode == 0
    assert run("config", "init").returncode == 2
    assert run("config", "set", "format", "jsonl").returncode == 0
    assert run("config", "set", "target", f"local:{tmp_path / 'db'}", "--use", "dev").returncode == 0
    assert run("--use", "dev", "query", "select 1 as a").stdout == '{"a": 1}\n'
    assert run("config", "unset", "format").returncode == 0
    assert run("--use", "dev", "query", "select 1 as a", "--format", "csv").stdout == "a\n1\n"
    assert "was not set" in run("config", "unset", "format").stderr
    done = run("config", "set", "format", "xml")
    assert (done.returncode, "no such format" in done.stderr) == (2, True)


def test_a_broken_file_is_shown_with_its_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('region = "eu"\nformat = csv\n')
    done = run("--local", "db", "query", "select 1")
    assert done.returncode == 2
    assert f"{tmp_path / 'config.toml'}:2:10: not TOML" in done.stderr
    assert "  2 │ format = csv\n" in done.stderr
    assert run("--version").returncode == 0  # reads no config


def test_a_format_for_rows_does_not_stop_commands_that_have_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('format = "csv"\n')
    assert run("--local", "db", "status").returncode == 0
    assert run("--local", "db", "status", "--format", "csv").returncode == 2


def test_the_emulator_keeps_the_users_config_out() -> None:
    pytest.importorskip("moto")
    from sldb.emulator import Emulator

    with Emulator() as aws:
        assert Path(aws.environment()["SLDB_CONFIG"]).read_bytes() == b""
