"""The command line in this process: its exit status and both outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sldb.cli.main import run


@dataclass
class Done:
    status: int
    out: str
    err: str


Sldb = Callable[..., Done]


def in_process(capsys: pytest.CaptureFixture[str], *place: str) -> Sldb:
    """Return a function for running the words of a command with the options of a place."""

    def sldb(*words: str) -> Done:
        capsys.readouterr()
        status = run([*words, *place])
        return Done(status, *capsys.readouterr())

    return sldb


def forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the environment variables for the target, the database and the format."""
    for name in ("SLDB_TARGET", "SLDB_DATABASE", "SLDB_FORMAT"):
        monkeypatch.delenv(name, raising=False)
