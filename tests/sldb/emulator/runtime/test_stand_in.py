"""The runtime of systems without awslambdaric: a function sees no difference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sldb.emulator.front.server import Emulator


@pytest.fixture(params=["awslambdaric", "stand_in"])
def runtime(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "stand_in":
        # What importlib.metadata says where awslambdaric is not installed.
        monkeypatch.setattr("sldb.emulator.runtime.bundles._RUNTIME_PACKAGES", ("no-such-package",))
    else:
        pytest.importorskip("awslambdaric")
    return str(request.param)


@pytest.fixture
def account(runtime: str) -> Iterator[Any]:
    from tests.sldb.emulator.conftest import Account

    with Emulator() as aws:
        yield Account(aws)


def test_runtime(account: Any, runtime: str) -> None:
    name = account.function(
        """
import sys
def handler(event, context):
    print("seen", event)
    if event == "raise":
        raise ValueError("no")
    if event == "set":
        return {1, 2}
    remaining = context.get_remaining_time_in_millis()
    return [event, context.function_name, context.memory_limit_in_mb, 0 < remaining <= 20000, sys.argv[0], "ü"]
""",
    )
    answer = account.invoke(name, {"a": [1, None]})
    assert answer[:4] + answer[5:] == [{"a": [1, None]}, name, "512", True, "ü"]
    assert runtime in answer[4]
    error = account.invoke(name, "raise")
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no")
    assert "raise ValueError" in "".join(error["stackTrace"])
    assert account.client("lambda").invoke(FunctionName=name, Payload=b'"set"')["FunctionError"] == "Unhandled"
    assert account.invoke(name, 5)[0] == 5
    log = account.aws.log(name)
    assert "seen raise" in log
    assert any("[ERROR] ValueError: no" in line for line in log)


def test_handler_that_is_not_there(account: Any) -> None:
    name = account.function("def other(event, context):\n    pass")
    error = account.invoke(name)
    assert error["errorType"] == "Runtime.HandlerNotFound"
    assert "Handler 'handler' missing on module 'main'" in error["errorMessage"]


def test_module_that_cannot_be_imported(account: Any) -> None:
    error = account.invoke(account.function("import nothing_of_the_kind\n"))
    assert error["errorMessage"] == "Unable to import module 'main': No module named 'nothing_of_the_kind'"
    error = account.invoke(account.function("raise RuntimeError('at import')\n"))
    assert (error["errorType"], error["errorMessage"]) == ("RuntimeError", "at import")


def test_response_too_large(account: Any) -> None:
    name = account.function("def handler(event, context):\n    return 'x' * event")
    assert account.invoke(name, 7_000_000)["errorType"] == "Function.ResponseSizeTooLarge"
    assert account.invoke(name, 1) == "x"
    assert json.dumps(account.invoke(name, 6_291_554)) == '"' + "x" * 6_291_554 + '"'
