"""Extensions: a container that works on after its answer, for callers and for the next events."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sldb.emulator.runtime import extensions
from sldb.emulator.runtime.runtime_api import Invocation, Ready, RuntimeApi
from tests.fakes.waiting import wait_until

IDLE = "containers that are idle"
WORKS_ON = """
import http.client, json, os, pathlib, threading, time
directory = pathlib.Path(os.environ["DIRECTORY"])
def call(method, path, headers, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2020-01-01/extension/" + path, body, headers)
    answer = connection.getresponse()
    return answer.read(), answer.headers
headers = {"Lambda-Extension-Name": "works-on"}
_, given = call("POST", "register", headers, json.dumps({"events": ["INVOKE"]}))
identifier = {"Lambda-Extension-Identifier": given["Lambda-Extension-Identifier"]}
def work():
    while True:
        event = json.loads(call("GET", "event/next", identifier)[0])
        (directory / event["requestId"]).write_text(event["eventType"])
        while not (directory / "go").exists():
            time.sleep(0.01)
        print("worked on", flush=True)
threading.Thread(target=work, daemon=True).start()
def handler(event, context):
    return os.getpid()
"""


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    api = RuntimeApi()
    yield api
    api.close()


def call(api: RuntimeApi, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection(api.address)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, (json.loads(response.read() or b"{}"), response.headers)


def register(api: RuntimeApi, events: Any = ("INVOKE",), name: str = "mine") -> tuple[int, Any]:
    body = json.dumps({"events": list(events)}).encode()
    return call(api, "POST", extensions.REGISTER, body, Lambda_Extension_Name=name)


def test_the_answer_comes_at_once_and_another_event_meets_another_container(
    account: Any, aws: Any, tmp_path: Path
) -> None:
    name = account.function(WORKS_ON, Environment={"Variables": {"DIRECTORY": str(tmp_path)}})
    first = account.invoke(name)
    assert [info.busy for info in aws.containers(name)] == [True]
    second = account.invoke(name)
    assert second != first
    (tmp_path / "go").touch()
    wait_until(lambda: not any(info.busy for info in aws.containers(name)), IDLE)
    assert account.invoke(name) in (first, second)
    wait_until(lambda: not any(info.busy for info in aws.containers(name)), IDLE)
    assert {path.read_text() for path in tmp_path.iterdir() if path.name != "go"} == {"INVOKE"}
    lines = aws.log(name)
    assert [lines.count("worked on"), sum(line.startswith("REPORT") for line in lines)] == [3, 3]


def test_a_container_that_works_on_past_its_time_is_ended(account: Any, aws: Any, tmp_path: Path) -> None:
    name = account.function(WORKS_ON, Environment={"Variables": {"DIRECTORY": str(tmp_path)}}, Timeout=1)
    first = account.invoke(name)
    wait_until(lambda: not any(info.busy for info in aws.containers(name)), IDLE)
    assert [info.pid for info in aws.containers(name)] == [None]
    assert any("Task timed out after 1.00 seconds" in line for line in aws.log(name))
    (tmp_path / "go").touch()
    assert account.invoke(name) != first


def test_a_container_is_ready_once_its_extensions_ask_as_well(api: RuntimeApi) -> None:
    identifier = register(api)[1][1]["Lambda-Extension-Identifier"]
    api.ask(None, is_extension=False)
    assert api.events.empty()
    api.ask(identifier, is_extension=True)
    assert api.events.get_nowait() == Ready()
    api.invoke(Invocation("1", b"{}", time.time(), "arn"))
    invoked = api.extensions.wait(identifier)
    assert invoked is not None
    assert json.loads(invoked.encode()).items() >= {"eventType": "INVOKE", "requestId": "1"}.items()
    api.ask(identifier, is_extension=True)
    assert api.events.empty()
    api.ask(None, is_extension=False)
    assert api.events.get_nowait() == Ready()


@pytest.mark.parametrize(
    ("events", "name", "status"), [((), "", 403), (("SHUTDOWN",), "mine", 403), (("INVOKE",), "mine", 200)]
)
def test_registrations(api: RuntimeApi, events: tuple[str, ...], name: str, status: int) -> None:
    assert register(api, events, name)[0] == status


def test_nothing_can_be_registered_after_init(api: RuntimeApi) -> None:
    api.ask(None, is_extension=False)
    status, (body, _) = register(api)
    assert (status, body["errorType"]) == (403, "Extension.RegistrationClosed")


def test_no_more_than_ten(api: RuntimeApi) -> None:
    statuses = [register(api)[0] for _ in range(extensions.MAX_EXTENSIONS + 1)]
    assert statuses == [200] * extensions.MAX_EXTENSIONS + [403]


def test_an_unknown_extension_gets_no_event(api: RuntimeApi) -> None:
    status, (body, _) = call(api, "GET", extensions.NEXT, Lambda_Extension_Identifier="nobody")
    assert (status, body["errorType"]) == (403, "Extension.UnknownExtensionIdentifier")


def test_an_extension_asks_once_at_a_time(api: RuntimeApi) -> None:
    identifier = register(api)[1][1]["Lambda-Extension-Identifier"]
    api.ask(identifier, is_extension=True)
    status, (body, _) = call(api, "GET", extensions.NEXT, Lambda_Extension_Identifier=identifier)
    assert (status, body["errorType"]) == (403, "Extension.InvalidExtensionState")
