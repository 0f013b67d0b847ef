"""SQLAlchemy's suite for dialects, over a directory, without foreign keys, as it expects of SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.public_suites import RUNS_ALL, check, pytest_outcomes, stated

pytestmark = [pytest.mark.network, pytest.mark.timeout(1200)]

# A file of SQLite passes those that are stated, too: 1,061 of 2.0, 1,270 of 2.1.
PASSED = {"2.0": 1045, "2.1": 1254}


@pytest.mark.parametrize("version", sorted(PASSED))
def test_the_suite_for_dialects(version: str, tmp_path: Path) -> None:
    url = f"sqlite+sldb:///main?target=local:{tmp_path}/databases&foreign_keys=0"
    plugin = "sqlalchemy.testing.plugin.pytestplugin"
    outcomes = pytest_outcomes(f"sqlalchemy-{version}", "sqlalchemy_suite", tmp_path, "-p", plugin, "--dburi", url)
    check(outcomes, stated("sqlalchemy"), is_sample=not RUNS_ALL)
    least = PASSED[version] if RUNS_ALL else 100
    assert len(outcomes.passed) >= least
