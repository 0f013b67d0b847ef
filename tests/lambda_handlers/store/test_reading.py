"""The store of a function that only reads: the second refusal, behind that of the requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from lambda_handlers.settings import Settings
from lambda_handlers.storage.log.keys import cancel_key, head_key, reply_key, rows_key, stream_key, transactions_key
from lambda_handlers.store.open import open_store, service_store
from lambda_handlers.store.protocol import ObjectStore, Refused
from lambda_handlers.store.reading import ReadingStore
from tests.fakes.stores.faulty import PresigningStore
from tests.fakes.stores.memory import memory_store

PREFIXES = ("_replies/", "_streams/")
KEYS = [
    "main/0000/0000000000000001-0000000000000001.ltx",
    head_key("main"),
    cancel_key("0" * 32),
    transactions_key(),
    "_access/callers.json",
    "_probe",
    "_repliesx/a",
    "main/_replies/a",
]
ACTS: dict[str, Callable[[ObjectStore, str], object]] = {
    "create": lambda store, key: store.create(key, b"1"),
    "create_from": lambda store, key: store.create_from(key, [b"1"]),
    "assemble": lambda store, key: store.assemble(key, [b"1"]),
    "put": lambda store, key: store.put(key, b"1"),
    "replace": lambda store, key: store.replace(key, b"1", "tag"),
    "delete": lambda store, key: store.delete(key),
    "delete_many": lambda store, key: store.delete_many([key]),
    "presign": lambda store, key: store.presign("PUT", [key], 1.0),
}
ANYWHERE = ("assemble", "put", "replace", "delete", "delete_many", "presign")  # refused for every key


@pytest.mark.parametrize("key", [*KEYS, reply_key("0" * 16), stream_key("0" * 64)])
@pytest.mark.parametrize("verb", ACTS)
def test_no_other_write_reaches_the_store(verb: str, key: str) -> None:
    below = PresigningStore(memory_store())
    may = key not in KEYS and verb not in ANYWHERE
    if may:
        ACTS[verb](ReadingStore(below, PREFIXES), key)
    else:
        with pytest.raises(Refused) as caught:
            ACTS[verb](ReadingStore(below, PREFIXES), key)
        assert caught.value.is_unmade
    assert [called for _, called in below.calls] == ([key] if may else [])


def test_reads_and_addresses_for_reading_are_those_of_the_store() -> None:
    below = PresigningStore(memory_store())
    below.create("main/a", b"123")
    store = ReadingStore(below, PREFIXES)
    store.create_from(rows_key("0" * 16), [b"1"])
    assert (store.get("main/a"), store.get_range("main/a", 1, 1), store.size("main/a")) == (b"123", b"2", 3)
    assert store.get_with_tag("main/a") == below.get_with_tag("main/a")
    assert list(store.chunks("main/a")) == [b"123"]
    assert store.info("main/a") == below.info("main/a")
    assert [info.key for info in store.list_objects("main/")] == ["main/a"]
    assert store.list_directories("") == below.list_directories("")
    assert store.presign("GET", ["main/a"], 1.0) == below.presign("GET", ["main/a"], 1.0)
    store.close()


def test_only_a_function_that_only_reads_has_it() -> None:
    settings, store = Settings("file:///unused"), memory_store()
    assert service_store(settings, store, PREFIXES) is store
    assert isinstance(service_store(replace(settings, read_only=True), store, PREFIXES), ReadingStore)
    assert type(service_store(settings, None, PREFIXES)) is type(open_store(settings))
