"""The examples, started and used as examples/README.md says."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fakes.aws.emulated import emulated_aws, wheels_of
from tests.fakes.aws.moto_server import free_port
from tests.fakes.terminal.command import ROOT
from tests.fakes.terminal.in_process import run_command
from tests.fakes.waiting import wait_until

pytestmark = pytest.mark.long

EXAMPLES = ROOT / "examples"
SEATS, GUESTS = 3, 9


def python(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    environment = {**os.environ, **(env or {})}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask(address: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    parts = urlsplit(address)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=60)) as connection:
        text = None if body is None else json.dumps(body)
        connection.request(method, parts.path + path, text, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())


@contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[str]:
    """Start the application on this machine, and yield its address."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "--log-level", "warning", "app:app"]
    with subprocess.Popen(command, cwd=EXAMPLES / "bookings", env={**os.environ, **environment}) as process:
        try:
            wait_until(lambda: answers(address), "the application")
            yield address
        finally:
            process.terminate()


def answers(address: str) -> bool:
    try:
        return ask(address, "GET", "/openapi.json")[0] == 200
    except OSError:
        return False


def use(address: str, *, at_once: int) -> None:
    """Book more seats than there are. A guest whose request is sent twice has one."""
    status, event = ask(address, "POST", "/events", {"name": "Concert", "seats": SEATS})
    assert (status, event) == (201, {"id": 1, "name": "Concert", "seats": SEATS})
    assert ask(address, "GET", "/events") == (200, [event])

    def book(number: int) -> int:
        return ask(address, "POST", "/events/1/bookings", {"guest": f"guest-{number}"})[0]

    with ThreadPoolExecutor(at_once) as pool:
        assert Counter(pool.map(book, range(GUESTS))) == {201: SEATS, 409: GUESTS - SEATS}
    status, bookings = ask(address, "GET", "/events/1/bookings")
    assert len({booking["guest"] for booking in bookings}) == len(bookings) == SEATS
    assert ask(address, "POST", "/events/1/bookings", {"guest": bookings[0]["guest"]}) == (201, bookings[0])
    assert ask(address, "POST", "/events/7/bookings", {"guest": "Ada"})[0] == 404
    assert ask(address, "POST", "/events", {"name": "", "seats": -1})[0] == 422


def test_the_application_on_this_machine(tmp_path: Path) -> None:
    environment = {"DATABASE_URL": f"sqlite+sldb:///bookings?target=local:{tmp_path}&create=true"}
    python("-m", "migrate", cwd=EXAMPLES / "bookings", env=environment)
    python("-m", "migrate", cwd=EXAMPLES / "bookings", env=environment)  # there is nothing left to do
    with serving(environment) as address:
        use(address, at_once=GUESTS)


@pytest.mark.network
@pytest.mark.timeout(600)
def test_the_application_in_a_function_of_its_own(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """With the query function deployed to the emulated AWS, and `deploy.py` as it is."""
    place = Path(shutil.copytree(EXAMPLES / "bookings", tmp_path / "bookings"))
    with emulated_aws(wheels=wheels_of(pytestconfig)) as aws:
        assert run_command(["deploy", "--yes"])[0] == 0
        printed = python("deploy.py", cwd=place, env={"SLDB_REQUIREMENT": str(ROOT)}).strip()
        api = urlsplit(printed).netloc.partition(".")[0]
        use(f"{aws.url}/_execute-api/{api}", at_once=2)  # where the emulator has it


def test_the_report_and_once_more(tmp_path: Path) -> None:
    run = ("report.py", f"local:{tmp_path}", "sales.csv")
    sums = "2026-11-24      2          5.70\n2026-11-25      3          8.80\n"
    assert python(*run, cwd=EXAMPLES / "report") == f"5 new sales\n{sums}"
    assert python(*run, cwd=EXAMPLES / "report") == f"0 new sales\n{sums}"
