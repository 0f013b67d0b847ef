"""Public suites of tests, unmodified, over the driver and its dialect: `make interop` installs them beside the servers.

What fails is stated by name, each with its reason (suites/stated/): another name that fails is a fault, and one that
passes must not be stated. Without SUITES=all a sample of the long ones runs.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.interop.clients import run
from tests.interop.servers import HERE, installed

SUITES = HERE / "suites"
WITHOUT_FOREIGN_KEYS = "sqlite+sldb:///main?target=local:databases&foreign_keys=0"  # as suites expect of SQLite
RUNS_ALL = os.environ.get("SUITES") == "all"
CONFIGURATION = """[tool:pytest]

[sqla_testing]
requirement_cls = {}:Requirements
profile_file = profiles.txt
"""
EVERY = 1 if RUNS_ALL else 8  # which tests of a long suite are its sample
TIMEOUT_SECONDS = 1100  # for a whole suite on a machine that does other things, too
_VERSION = re.compile(r"_sqlite\+\w+?(_\d+)+")  # added to the names of classes by SQLAlchemy


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Names of tests."""

    passed: frozenset[str]
    skipped: frozenset[str]
    failed: frozenset[str]
    output: str  # of the runner


def pytest_outcomes(
    environment: str, suite: str, directory: Path, *, capabilities: str = "capabilities", every: int = EVERY
) -> Outcomes:
    """Run a file of suites/ with the pytest of an environment and SQLAlchemy's plugin, in a directory of its own."""
    python = installed(f"{environment}/bin/python")
    for source in SUITES.glob("*.py"):
        shutil.copy(source, directory)
    (directory / "setup.cfg").write_text(CONFIGURATION.format(capabilities))
    report = directory / "report.xml"
    plugins = ("-p", "no:cacheprovider", "-p", "sample", "-p", "sqlalchemy.testing.plugin.pytestplugin")
    options = ("-q", *plugins, "--tb=native", f"--junitxml={report}", "--dburi", WITHOUT_FOREIGN_KEYS)
    command: list[object] = [python, "-m", "pytest", *options, f"{suite}.py"]
    variables = {**os.environ, "SLDB_EVERY": str(every), "PYTHONPATH": str(directory)}
    done = run(command, directory, variables, TIMEOUT_SECONDS)
    assert report.exists(), f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return read_report(report.read_text(), done.stdout)


def read_report(report: str, output: str) -> Outcomes:
    """Return the outcomes in a report of JUnit's format, without the versions in names."""
    found: dict[str, set[str]] = {"passed": set(), "skipped": set(), "failed": set()}
    for case in ElementTree.fromstring(report).iter("testcase"):
        name = f"{_VERSION.sub('', case.get('classname', '').rpartition('.')[2])}::{case.get('name')}"
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        found[outcome].add(name)
    return Outcomes(*map(frozenset, found.values()), output=output)


def stated(name: str) -> frozenset[str]:
    """Return the names that a file says to fail: one a line, below a line with their reason."""
    lines = (SUITES / "stated" / f"{name}.txt").read_text().splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def check(outcomes: Outcomes, expected: frozenset[str], *, is_sample: bool) -> None:
    """Fail if other tests have failed than those that are expected to; of a sample, those that ran."""
    if is_sample:
        expected &= outcomes.passed | outcomes.failed
    surprises = outcomes.failed - expected
    assert not surprises, f"not stated: {sorted(surprises)}\n{outcomes.output[-20_000:]}"
    assert expected <= outcomes.failed, f"stated, and do not fail: {sorted(expected - outcomes.failed)}"
