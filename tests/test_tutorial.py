"""The tutorial: a reader who types its commands sees what it shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.terminal.command import ROOT, environment

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```", re.M | re.S)
END_OF_BLOCK = "== the end of a block"


@pytest.mark.long
def test_the_commands_of_the_tutorial_print_what_it_shows(tmp_path: Path) -> None:
    blocks = BLOCK.findall(TUTORIAL)
    scripts = [text for kind, text in blocks if kind == "sh"]
    assert len(scripts) > 8
    # One shell for all blocks, as a reader has: a variable that one block exports is there in the next.
    script = "set -e\n" + "".join(f"{text}echo '{END_OF_BLOCK}'\n" for text in scripts)
    tools = str(Path(sys.executable).parent)
    variables = environment(tmp_path, {"PATH": f"{tools}:/usr/bin:/bin"})
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=variables, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    shown = iter(done.stdout.split(f"{END_OF_BLOCK}\n"))
    before = ""
    for kind, text in blocks:
        if kind == "sh":
            before = next(shown)
        else:
            assert [line.rstrip() for line in before.splitlines()] == text.splitlines()
