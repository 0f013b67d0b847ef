"""The programs of docs/applications.md with the packages that they name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.local_http import served
from tests.fakes.pages import Program, programs
from tests.interop.clients import Api, go_environment, javascript, ran
from tests.interop.servers import installed

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]

TOKEN = "the-token-of-an-application"
PROGRAMS = [program for program in programs("applications.md") if program.needs_packages]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    installed("clients/bin/node")
    with served(tmp_path_factory.mktemp("served"), TOKEN) as server:
        yield {**Api(server.url, TOKEN).environment("unused"), "SLDB_URL": server.url}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: f"line {one.line}")
def test_a_program_prints_what_the_page_shows(program: Program, environment: dict[str, str], tmp_path: Path) -> None:
    assert _printed(program.language, program.text, environment, tmp_path) == program.output


def _printed(language: str, text: str, environment: dict[str, str], directory: Path) -> str:
    if language == "python":
        return ran([installed("clients/bin/python"), "-c", text], directory, environment)
    if language == "javascript":
        program = javascript(directory)
        (program / "example.js").write_text(text)
        return ran(["node", "example.js"], program, environment)
    (directory / "main.go").write_text(text)
    return ran(["go", "run", "main.go"], directory, {**environment, **go_environment(directory)})
