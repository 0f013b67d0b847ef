"""The extension over the emulated Runtime API: when it asks for events, and when work is done."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lambda_handlers import extension
from lambda_handlers.after_reply import AfterReply
from lambda_handlers.extension import Extension, ExtensionRefused
from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.store.metered import MeteredStore
from sldb.emulator.runtime.runtime_api import Invocation, Ready, RuntimeApi
from tests.fakes.stores.memory import memory_store
from tests.fakes.waiting import wait_until

ANSWER_SECONDS = 30.0


class Environment:
    """A runtime that has registered the extension, and waits for its first invocation."""

    def __init__(self, api: RuntimeApi) -> None:
        self.api = api
        self.after = AfterReply(Host(), Log("error"), MeteredStore(memory_store()))
        self.done: list[str] = []
        self.extension = Extension(api.address, self.after)
        self.asks_again()

    def invoke(self, number: int = 1) -> None:
        self.api.invoke(Invocation(str(number), b"{}", time.time() + 30, "arn"))

    def knows_of(self, number: int) -> None:
        wait_until(lambda: self.extension._invoked == number, "the event of the invocation")

    def later(self, what: str) -> None:
        self.after.later(lambda: self.done.append(what))

    def asks_again(self) -> None:
        """The runtime does; the environment is free once the extension does, too."""
        self.api.ask(None, is_extension=False)
        assert self.api.events.get(timeout=ANSWER_SECONDS) == Ready()


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    api = RuntimeApi()
    yield api
    api.close()


@pytest.fixture
def environment(api: RuntimeApi) -> Environment:
    return Environment(api)


@pytest.fixture
def asks(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The threads that ask for an event from now on."""
    asks, ask = [], Extension._ask

    def noted(self: Extension) -> Any:
        asks.append(threading.current_thread())
        return ask(self)

    monkeypatch.setattr(Extension, "_ask", noted)
    return asks


def test_without_work_it_has_asked_before_the_runtime_does(environment: Environment) -> None:
    for number in range(1, 4):
        environment.invoke(number)
        environment.knows_of(number)
        reply = {"n": number}
        assert environment.extension.replying(reply) is reply
        wait_until(lambda: environment.api.extensions.are_asking, "the extension's request")
        environment.asks_again()


def test_without_work_it_has_asked_before_the_handler_returns(environment: Environment, asks: list[Any]) -> None:
    environment.invoke()
    environment.knows_of(1)
    environment.extension.replying({})
    assert asks == [threading.current_thread()]
    environment.asks_again()


def test_a_handler_that_is_faster_than_the_extension_leaves_the_asking_to_it(
    environment: Environment, asks: list[Any]
) -> None:
    for number in range(1, 10):
        environment.extension.replying({})
        assert threading.current_thread() not in asks
        environment.invoke(number)
        environment.asks_again()


class Awaited(threading.Event):
    is_awaited = False

    def wait(self, timeout: float | None = None) -> bool:
        self.is_awaited = True
        return super().wait(timeout)


class Ended(extension._Ended):
    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.is_posted = Awaited()


def test_work_begins_once_the_runtime_has_let_go_of_the_reply(
    environment: Environment, asks: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Ended] = []
    monkeypatch.setattr(extension, "_Ended", lambda **named: ended.append(Ended(**named)) or ended[-1])
    monkeypatch.setattr(extension, "MAX_POSTING_SECONDS", ANSWER_SECONDS)
    environment.invoke()
    environment.knows_of(1)
    environment.later("work")
    reply: Any = environment.extension.replying({"a": [1]})
    assert reply == {"a": [1]}
    wait_until(lambda: ended[0].is_posted.is_awaited or environment.done, "the thread of the extension")
    assert (asks, environment.done) == ([], [])
    del reply
    gc.collect()
    environment.asks_again()
    assert environment.done == ["work"]


def test_a_reply_that_is_kept_does_not_keep_the_work_waiting(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambda_handlers.extension.MAX_POSTING_SECONDS", 0.01)
    environment.invoke()
    environment.later("work")
    reply = environment.extension.replying({})
    environment.asks_again()
    assert (environment.done, reply) == (["work"], {})


def test_work_of_an_invocation_that_failed_is_done(environment: Environment) -> None:
    environment.invoke()
    environment.later("work")
    environment.extension.failed()
    environment.asks_again()
    environment.invoke(2)
    environment.extension.failed()
    environment.asks_again()
    assert environment.done == ["work"]


def test_after_the_init_phase_it_is_refused(api: RuntimeApi) -> None:
    api.ask(None, is_extension=False)
    after = AfterReply(Host(), Log("error"), MeteredStore(memory_store()))
    with pytest.raises(ExtensionRefused):
        Extension(api.address, after)
    done: list[int] = []
    after.later(lambda: done.append(1))
    after.settle()
    assert done == [1]  # before the reply, as ever


def test_an_answer_without_an_identifier_is_a_refusal(api: RuntimeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambda_handlers.extension._read", lambda connection: connection.close() or {})
    with pytest.raises(ExtensionRefused, match="identifier"):
        Extension(api.address, AfterReply(Host(), Log("error"), MeteredStore(memory_store())))


def test_nobody_listens() -> None:
    with pytest.raises(OSError, match="refused"):
        Extension("127.0.0.1:1", AfterReply(Host(), Log("error"), MeteredStore(memory_store())))
