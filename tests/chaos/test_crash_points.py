"""A local write that dies at any of its steps has happened entirely or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.crowd import ROOT


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
def test_a_write_that_dies_at_every_step(tmp_path: Path) -> None:
    script = subprocess.run(
        [sys.executable, "-m", "tests.chaos.crash_points", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (script.returncode, script.stderr) == (0, "")
    points = [line.split("\t") for line in script.stdout.splitlines()]
    print(script.stdout)
    assert [point[0] for point in points if point[1] == "1"][-1] == "nothing killed it"
    before = [point[1] for point in points]
    assert before == sorted(before)  # not there, up to one point; there, from then on
    links = [index for index, point in enumerate(points) if point[0].startswith("os.link")]
    assert len(links) == 1
    assert before.index("1") == links[0] + 1
    assert {tuple(point[2:]) for point in points} == {("1", "1")}
    assert len(points) > 10
