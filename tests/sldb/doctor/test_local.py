"""`sldb --local DIR doctor`."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from sldb.client import Client
from sldb.doctor import local
from sldb.targets.local import LocalTarget
from tests.fakes.seen_progress import SeenProgress
from tests.fakes.terminal.command import sldb


def test_a_directory_that_is_fine_and_one_that_is_not_there_yet(tmp_path: Path) -> None:
    for name in (".", "not/yet"):
        done = sldb(tmp_path, "--local", name, "doctor", "--format", "json")
        found = json.loads(done.stdout)
        assert done.returncode == 0
        assert [(row["check"], row["state"]) for row in found if row["check"] != "disk"] == [
            ("directory", "ok"),
            ("commits", "ok"),
            ("engine", "ok"),
        ]
    assert not (tmp_path / "not").exists()
    assert list(tmp_path.glob(".sldb-doctor-*")) == []


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = sldb(tmp_path, "--local", "file", "doctor")
    assert done.returncode == 1
    assert "fail  directory" in done.stdout
    assert "→ " in done.stdout


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o500)
    done = sldb(tmp_path, "--local", "mine", "doctor")
    assert (done.returncode, "cannot be written" in done.stdout) == (1, True)


def test_each_check_has_a_name_before_it_runs(tmp_path: Path) -> None:
    seen = SeenProgress()
    with closing(Client(LocalTarget(tmp_path))) as client:
        assert [found.state for found in local.findings(tmp_path, client, seen)][-1] == "ok"
    assert [what for what, _ in seen.begun] == ["checking the directory", "checking commits", "checking the engine"]
