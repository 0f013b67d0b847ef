"""The table of attacks in docs/security.md names the tests in this folder, and no other."""

from __future__ import annotations

import re
from pathlib import Path


def test_the_table_names_the_tests_that_there_are() -> None:
    text = (Path(__file__).parents[3] / "docs" / "security.md").read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    files = set(Path(__file__).parent.glob("test_*.py")) - {Path(__file__)}
    here = {name for file in files for name in re.findall(r"^def (test_\w+)\(", file.read_text("utf-8"), re.MULTILINE)}
    assert here == named
