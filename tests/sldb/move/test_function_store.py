"""The store over actions: the verbs of a copy, with lost answers, and files larger than a request."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.actions.transfer import files
from lambda_handlers.service import Service
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import AlreadyExists, NotFound, Refused, StoreError, Unavailable
from lambda_handlers.wire import Action, SldbError
from sldb.move import function_store
from sldb.move.function_store import FunctionStore
from tests.fakes.databases.service import container
from tests.fakes.targets.in_process import InProcess

KEY = "main/0000/0000000000000001-0000000000000001.ltx"


@pytest.fixture
def mover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    for module in (files, function_store):
        monkeypatch.setattr(module, "SLICE_BYTES", 10)
    with closing(container(DirectoryStore(tmp_path), read_only=True, moves_files=True)) as service:
        yield service


def slices_left(directory: Path) -> list[Path]:
    return [each for each in (directory / "_moves").rglob("[0-9]*") if each.is_file()]


class Lossy:
    """A function whose answer to call number `lost` of an action does not arrive. `again`: the target then sends it
    again, as LambdaTarget does; otherwise it gives up."""

    def __init__(self, service: Service, lost: int, *, again: bool, name: str = "file_create") -> None:
        self._service, self._left, self._again, self._name = service, lost, again, name

    def __call__(self, action: Action) -> dict[str, Any]:
        reply = self._service.act(action)
        if action.name == self._name:
            self._left -= 1
            if self._left == 0:
                if self._again:
                    return self._service.act(action)
                raise SldbError("store_error", "no answer", applied="unknown")
        return reply


@given(st.lists(st.binary(max_size=25)))
def test_slices_have_the_same_bytes(chunks: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(function_store, "SLICE_BYTES", 10)
        found = list(function_store._slices(chunks))
    assert b"".join(found) == b"".join(chunks)
    assert [len(each) for each in found[:-1]] == [10] * (len(found) - 1)
    assert found[-1] or len(found) == 1


@pytest.mark.parametrize("size", [0, 1, 10, 11, 35])
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("lost", [1, 2, 4])
def test_a_create_whose_answer_was_lost(mover: Service, tmp_path: Path, size: int, again: bool, lost: int) -> None:
    body = bytes(range(size))
    store = FunctionStore(InProcess(Lossy(mover, lost, again=again)))
    with suppress(AlreadyExists, Unavailable):  # resolved by reading, as with any store
        store.create_from(KEY, iter((body[:7], body[7:])))
    honest = FunctionStore(InProcess(mover.act))
    try:
        assert honest.get(KEY) == body
    except NotFound:
        honest.create_from(KEY, iter((body,)))
        assert honest.get(KEY) == body
    honest.list_directories("")
    assert slices_left(tmp_path) == []


@pytest.mark.parametrize("name", ["file_read", "file_list", "file_names"])
def test_a_read_whose_answer_was_lost(mover: Service, name: str) -> None:
    FunctionStore(InProcess(mover.act)).create(KEY, bytes(25))
    for again in (True, False):
        store = FunctionStore(InProcess(Lossy(mover, 1, again=again, name=name)))
        try:
            found = store.get(KEY), [each.key for each in store.list_objects("main/")], store.list_directories("")
        except Unavailable:
            assert not again
        else:
            assert found == (bytes(25), [KEY], ["main"])


def test_nothing_is_overwritten_by_a_large_file(mover: Service) -> None:
    store = FunctionStore(InProcess(mover.act))
    store.create(KEY, bytes(25))
    for other in (b"1" * 25, b"1" * 24, b""):
        with pytest.raises(AlreadyExists):
            store.create_from(KEY, [other])
    assert store.get(KEY) == bytes(25)
    assert store.get_range(KEY, 5, 100) == bytes(20)
    assert (store.size(KEY), store.info(KEY).size) == (25, 25)


def test_slices_of_a_file_that_was_never_finished_go_with_the_next_move(mover: Service, tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield bytes(25)
        raise KeyboardInterrupt

    store = FunctionStore(InProcess(mover.act))
    with pytest.raises(KeyboardInterrupt):
        store.create_from(KEY, chunks())
    assert slices_left(tmp_path)
    with pytest.raises(NotFound):
        store.get(KEY)
    assert store.list_directories("") == []
    assert slices_left(tmp_path) == []


def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    def discard(action: Action) -> dict[str, Any]:
        return {"etag": ""}

    piece = bytes(1 << 20)
    tracemalloc.start()
    try:
        FunctionStore(InProcess(discard)).create_from(KEY, (piece for _ in range(40)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20  # some slices of 4 MiB, as base64 and JSON


def test_what_a_copy_does_not_need_is_refused(mover: Service) -> None:
    store = FunctionStore(InProcess(mover.act))
    for act in (
        lambda: store.put(KEY, b""),
        lambda: store.replace(KEY, b"", ""),
        lambda: store.delete(KEY),
        lambda: store.delete_many([KEY]),
        lambda: store.assemble(KEY, []),
        lambda: store.create("main/head.json", b""),
        lambda: store.list_directories("main/"),
    ):
        with pytest.raises(Refused):
            act()
    with pytest.raises(StoreError):
        store.info(KEY)
    assert store.presign("GET", [KEY], 1) is None
