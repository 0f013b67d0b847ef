"""The programs of docs/applications.md print what the page shows, against `sldb serve`.

Those that need a package from a registry run in `make interop` (`tests/interop/test_applications.py`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.fakes.local_http import served
from tests.fakes.pages import Program, programs

TOKEN = "the-token-of-an-application"
APPLICATIONS = [program for program in programs("applications.md") if not program.needs_packages]
needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")


def ran(program: Program, directory: Path, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c"] if program.language == "python" else ["bash", "-c"]
    done = subprocess.run(
        [*command, program.text],
        cwd=directory,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with served(tmp_path_factory.mktemp("served"), TOKEN) as server:
        yield {**os.environ, "SLDB_URL": server.url, "SLDB_TOKEN": TOKEN}


@needs_curl
@pytest.mark.parametrize("program", [one for one in APPLICATIONS if one.output], ids=lambda one: f"line {one.line}")
def test_a_program_prints_what_the_page_shows(program: Program, environment: dict[str, str], tmp_path: Path) -> None:
    assert ran(program, tmp_path, environment) == program.output


@needs_curl
def test_the_workflow_records_its_commit_once(environment: dict[str, str], tmp_path: Path) -> None:
    [workflow] = [yaml.safe_load(program.text) for program in APPLICATIONS if program.language == "yaml"]
    job = workflow["jobs"]["record"]
    assert set(job["env"]) <= set(environment)
    [step] = job["steps"]
    variables = {**environment, "GITHUB_RUN_ID": "7", "GITHUB_SHA": "0" * 40}
    script = Program(0, "sh", step["run"], None)
    for _ in range(2):
        ran(script, tmp_path, variables)
    count = "SELECT count(*) FROM deploys"
    [curl] = [program for program in APPLICATIONS if program.language == "sh"]
    [query] = [line for line in curl.text.splitlines() if line.startswith('  "query"')]
    asked = curl.text.replace(query, f'  "query": "{count}",').replace('{"name": "assam", "grams": 250}', "{}")
    assert ran(Program(0, "sh", asked, None), tmp_path, environment) == "[[1]]\n"
