"""By a store of one's own: waited for where it is silent, opened again where it refuses."""

from __future__ import annotations

import pytest

from lambda_handlers.wire import SldbError
from sldb.push_pull.direct import TRIES, DirectTransport
from sldb.push_pull.transport import FileVanished
from tests.fakes.stores.faulty import FaultyStore, lose_request, refuse
from tests.fakes.stores.memory import memory_store


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(memory_store())


def test_a_store_that_is_silent_is_waited_for(store):
    slept: list[float] = []
    store.plan("put", lose_request, lose_request)
    DirectTransport("main", lambda: store, slept.append).put("0" * 16, "00001-x", b"body")
    assert store.get(f"main/uploads/{'0' * 16}/00001-x") == b"body"
    assert slept == [1.0, 2.0]


def test_but_not_for_ever(store):
    store.plan("put", *[lose_request] * TRIES)
    with pytest.raises(SldbError, match="no answer") as caught:
        DirectTransport("main", lambda: store, lambda _seconds: None).put("0" * 16, "00001-x", b"body")
    assert caught.value.code == "store_error"


def test_credentials_that_have_ended_are_fetched_anew(store):
    opened: list[int] = []

    def open_store() -> FaultyStore:
        opened.append(1)
        return store

    store.plan("put", refuse)
    DirectTransport("main", open_store).put("0" * 16, "00001-x", b"body")
    assert len(opened) == 2
    store.plan("put", refuse, refuse)
    with pytest.raises(SldbError, match="access denied"):
        DirectTransport("main", open_store).put("0" * 16, "00001-x", b"body")


def test_a_file_that_is_gone(store):
    with pytest.raises(FileVanished):
        DirectTransport("main", lambda: store).read("0000/x.ltx", 0, 3)


def test_what_may_not_be_removed_stays(store):
    transport = DirectTransport("main", lambda: store)
    transport.put("0" * 16, "00001-x", b"body")
    store.plan("delete", refuse)
    transport.clear("0" * 16)
    assert store.get(f"main/uploads/{'0' * 16}/00001-x") == b"body"
    transport.clear("0" * 16)
    assert list(store.list_objects("")) == []
