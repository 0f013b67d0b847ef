"""CPython's own tests of the module sqlite3, with the driver in its place, over a directory."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.interop.clients import run
from tests.interop.public_suites import SUITES, check, read_report, stated

pytestmark = pytest.mark.timeout(900)

STATED_FOR = (3, 11)  # other versions of Python have other tests


@pytest.mark.skipif(sys.version_info[:2] != STATED_FOR, reason="what fails is stated for Python 3.11")
@pytest.mark.skipif(find_spec("test") is None, reason="this Python is installed without its tests")
def test_cpythons_tests_of_sqlite3(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    command: list[object] = [sys.executable, SUITES / "sqlite3_shim.py", report]
    done = run(command, tmp_path, os.environ, timeout_seconds=800)
    assert report.exists(), done.stderr
    outcomes = read_report(report.read_text(), done.stdout)
    check(outcomes, stated("sqlite3"), is_sample=False)
    assert len(outcomes.passed) >= 225
