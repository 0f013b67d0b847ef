"""Published clients of libSQL and Turso, unmodified, against `sldb serve`, and against a stack that is deployed
to the emulated AWS, through its API Gateway and with a token of `sldb token`.

Scripts use what the clients offer; the clients' own tests run as they are published.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.aws.emulated import wheels_of
from tests.interop.clients import Api, deployed, go_environment, javascript, on_directory, ran, run, turso_checkout
from tests.interop.servers import HERE, installed

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]

SCRIPTS = ["libsql", "turso", "drizzle", "kysely", "prisma", "large"]
# Tests of Turso's JavaScript driver that read a row by position, which no version of the driver offers.
BY_POSITION = {
    "prepare() method creates statement",
    "statement iterate() method works",
    "get() method queries a single value",
    "get() method queries a single row",
}


@pytest.fixture(scope="module", params=["serve", "deployed"])
def api(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    directory = tmp_path_factory.mktemp(request.param)
    with on_directory(directory) if request.param == "serve" else deployed(directory, wheels_of(pytestconfig)) as api:
        yield api


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_client_in_javascript(name: str, api: Api, tmp_path: Path) -> None:
    program = javascript(tmp_path)
    ran(["node", "--test", f"{name}.js"], program, api.environment(name))


def test_the_client_in_rust(api: Api, tmp_path: Path) -> None:
    python = installed("clients/bin/python")
    ran([python, HERE / "python" / "libsql_driver.py"], tmp_path, api.environment("rust"))


def test_clients_follow_the_redirect_of_a_large_result(api: Api, tmp_path: Path) -> None:
    """The table of docs/http.md; those in JavaScript are in large.js."""
    python = installed("clients/bin/python")
    found = json.loads(ran([python, HERE / "python" / "large_results.py"], tmp_path, api.environment("large-python")))
    status = found.pop("status")
    assert status == (303 if api.deployed else 200)
    stopped = {name: message for name, message in found.items() if message != 80}
    assert set(stopped) == ({"by_urllib", "by_turso", "by_libsql"} if api.deployed else set())
    assert all("LIMIT" in message for message in stopped.values())
    assert all("413" in stopped[name] for name in stopped if name != "by_libsql")


def test_go_follows_the_redirect_of_a_large_result(api: Api, tmp_path: Path) -> None:
    environment = {**api.environment("large-go"), **go_environment(tmp_path)}
    assert ran(["go", "run", HERE / "go" / "large.go"], tmp_path, environment) == "80\n"


def test_the_tests_of_tursos_python_driver(api: Api, tmp_path: Path) -> None:
    """They are part of its source distribution."""
    [source] = installed("clients/sdist").glob("turso_serverless-*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    [tests] = tmp_path.glob("*/tests")
    command = [installed("clients/bin/python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", tests]
    assert re.search(r"\b64 passed in", ran(command, tmp_path, api.environment("python")))


def test_the_tests_of_tursos_javascript_driver(api: Api, tmp_path: Path) -> None:
    tests = turso_checkout("serverless/javascript/integration-tests")
    program = javascript(tmp_path)
    shutil.copytree(tests, program / "integration-tests")
    shutil.copytree(program / "node_modules" / "@tursodatabase" / "serverless" / "dist", program / "dist")
    (program / "node_modules").unlink()
    environment = api.environment("javascript")
    install: list[object] = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "ava@6.4.1"]
    ran(install, program, {**os.environ, "PATH": environment["PATH"]})
    done = run(["npx", "ava", "--tap", *(program / "integration-tests").glob("*.mjs")], program, environment)
    outcomes = re.findall(r"^(ok|not ok) \d+ - (?:\w+ \W )?(.*)$", done.stdout, re.M)
    assert len(outcomes) == 39, done.stdout
    assert {name for outcome, name in outcomes if outcome == "not ok"} == BY_POSITION


def test_the_tests_of_tursos_go_driver(api: Api, tmp_path: Path) -> None:
    driver = shutil.copytree(turso_checkout("serverless/go"), tmp_path / "driver")
    ran(["go", "test", "./..."], driver, {**api.environment("go"), **go_environment(tmp_path)})
