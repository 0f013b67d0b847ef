"""From sldb 0.1.0 to this version, back, and forward again: one stack with data, and the clients of both versions.

The first release runs from the history of the repository, in processes of its own.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.fakes.aws.emulated import emulated_aws, wheels_of
from tests.fakes.terminal.in_process import run_command

pytestmark = [pytest.mark.long, pytest.mark.network, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[1]
FIRST_RELEASE = "d86acb241da4369c7c43b0cdec3d8c7272f4dc3d"  # v0.1.0
FUNCTION = "test-db-function"


@pytest.fixture(scope="module")
def first_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory with the code of 0.1.0."""
    found = subprocess.run(
        ["git", "archive", FIRST_RELEASE, "sldb", "lambda_handlers", "cloudformation"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if found.returncode:
        pytest.skip(f"the history of this checkout has no {FIRST_RELEASE[:8]}: {found.stderr.decode().strip()}")
    directory = tmp_path_factory.mktemp("first-release")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(directory, filter="data") if sys.version_info >= (3, 12) else archive.extractall(directory)
    return directory


@pytest.fixture(scope="module")
def aws(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with emulated_aws(minute_seconds=3600, wheels=wheels_of(request.config), keeps_uses=False) as emulator:
        yield emulator


class Clients:
    def __init__(self, first_release: Path) -> None:
        self._environment = {**os.environ, "PYTHONPATH": str(first_release), "PYTHONSAFEPATH": "1"}
        self._directory = first_release

    def old(self, *arguments: str, stdin: str = "") -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "sldb", *arguments],
            cwd=self._directory,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ran.returncode == 0, (arguments, ran.stderr)
        return ran.stdout

    def new(self, *arguments: str, stdin: str = "") -> str:
        status, out, err = run_command(arguments, stdin)
        assert status == 0, (arguments, err)
        return out

    def both(self, *arguments: str) -> str:
        """Run a command that reads with both; return their output, which is the same."""
        found = self.old(*arguments), self.new(*arguments)
        assert found[0] == found[1]
        return found[0]


def invoke(event: dict[str, Any]) -> dict[str, Any]:
    reply = boto3.client("lambda").invoke(FunctionName=FUNCTION, Payload=json.dumps(event))
    body: dict[str, Any] = json.loads(reply["Payload"].read())["body"]
    return body if isinstance(body, dict) else json.loads(body)


def begin(value: int) -> str:
    body = invoke({"query": f"INSERT INTO t VALUES ({value})", "transaction": {"begin": True}})
    return str(body["transaction"]["token"])


def commit(token: str) -> dict[str, Any]:
    return invoke({"transaction": {"token": token, "end": "commit"}})


def ask(token: str) -> list[list[Any]]:
    """Return what the API answers to the holder of a caller's token."""
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="test-db")["Stacks"]
    api = next(each["OutputValue"] for each in stack["Outputs"] if each["OutputKey"] == "TokenApiId")
    url = f"{os.environ['AWS_ENDPOINT_URL']}/_execute-api/{api}/main/query"
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, json.dumps({"query": "SELECT count(*) FROM t"}).encode(), headers)
    with urllib.request.urlopen(request) as response:
        rows: list[list[Any]] = json.loads(response.read())["rows"]
    return rows


def code() -> str:
    return str(boto3.client("lambda").get_function_configuration(FunctionName=FUNCTION)["CodeSha256"])


def test_a_stack_of_the_first_release_is_upgraded_rolled_back_and_upgraded_again(aws: Any, first_release: Path) -> None:
    clients = Clients(first_release)
    values: list[int] = []

    def use(first: int) -> None:
        """Write with both clients, and with a transaction over several requests; compare what both read."""
        clients.old("query", f"INSERT INTO t VALUES ({first})")
        clients.new("query", f"INSERT INTO t VALUES ({first + 1})")
        clients.new("shell", stdin=f"BEGIN;\nINSERT INTO t VALUES ({first + 2});\nCOMMIT;\n")
        values.extend(range(first, first + 3))
        shown = clients.both("query", "SELECT a FROM t ORDER BY a", "--format", "csv").split()
        assert shown == ["a", *map(str, sorted(values))]
        assert len(clients.both("history", "--format", "json").splitlines()) > 1
        clients.both("query", "SELECT count(*) FROM t", "--at", "2", "--format", "csv")

    clients.old("deploy", "--lock", "s3", "--api", "token", "--yes")
    old_code = code()
    clients.old("query", "CREATE TABLE t (a INTEGER PRIMARY KEY)")
    old_token = clients.old("token", "create", "old").strip()
    use(0)
    open_in_old = begin(10)

    clients.new("deploy", "--yes")
    assert code() != old_code
    assert "error" not in commit(open_in_old)
    values.append(10)
    use(20)
    new_token = clients.new("token", "create", "new").strip()
    assert ask(old_token) == ask(new_token) == [[len(values)]]
    listed = json.loads(clients.new("status", "--versions", "--format", "json"))
    assert [(each["version"], each["live"], each["sldb"] is None) for each in listed] == [
        (2, True, False),
        (1, False, True),
    ]
    open_in_new = begin(30)

    clients.new("deploy", "--rollback", "--yes")
    assert code() == old_code
    assert "error" not in commit(open_in_new)
    values.append(30)
    use(40)
    assert ask(old_token) == ask(new_token) == [[len(values)]]

    clients.new("deploy", "--yes")
    assert code() != old_code
    use(50)
    assert ask(old_token) == ask(new_token) == [[len(values)]]
