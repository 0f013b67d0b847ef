"""SQLAlchemy's and Alembic's suites for dialects, over a directory, without foreign keys, as they expect of SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.public_suites import RUNS_ALL, check, pytest_outcomes, stated

pytestmark = [pytest.mark.network, pytest.mark.timeout(1200)]

# A file of SQLite passes those that are stated, too: 1,061 of 2.0, 1,270 of 2.1.
PASSED = {"2.0": 1045, "2.1": 1254}


@pytest.mark.parametrize("version", sorted(PASSED))
def test_the_suite_for_dialects(version: str, tmp_path: Path) -> None:
    outcomes = pytest_outcomes(f"sqlalchemy-{version}", "sqlalchemy_suite", tmp_path)
    check(outcomes, stated("sqlalchemy"), is_sample=not RUNS_ALL)
    least = PASSED[version] if RUNS_ALL else 100
    assert len(outcomes.passed) >= least


def test_the_suite_of_alembic(tmp_path: Path) -> None:
    capabilities = "alembic_capabilities"
    outcomes = pytest_outcomes("sqlalchemy-2.1", "alembic_suite", tmp_path, capabilities=capabilities, every=1)
    check(outcomes, stated("alembic"), is_sample=False)
    assert len(outcomes.passed) == 50
