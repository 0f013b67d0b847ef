"""The code in docs/testing.md runs as the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.terminal.command import ROOT, environment

BLOCK = re.compile(r"```python\n# (?P<name>\w+\.py)\n(?P<code>.*?)```", re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with the files of the page."""
    for block in BLOCK.finditer((ROOT / "docs" / "testing.md").read_text("utf-8")):
        (tmp_path / block["name"]).write_text(block["code"], "utf-8")
    return tmp_path


def run(project: Path, file: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", file]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(project), cwd=project, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_over_a_directory(project: Path) -> None:
    assert "2 passed" in run(project, "test_over_a_directory.py")


@pytest.mark.long
@pytest.mark.network
@pytest.mark.timeout(300)
def test_over_the_emulator(project: Path) -> None:
    pytest.importorskip("moto")
    assert "3 passed" in run(project, "test_over_the_emulator.py")
