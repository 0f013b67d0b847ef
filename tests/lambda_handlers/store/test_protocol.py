"""What every object store must do, whatever stands behind it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lambda_handlers.settings import Settings
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.open import open_store
from lambda_handlers.store.protocol import (
    CHUNK_BYTES,
    AlreadyExists,
    CopyOf,
    NotFound,
    ObjectStore,
    PreconditionFailed,
    Refused,
    detail_of,
)
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.s3 import plain_s3, probed_s3


@pytest.fixture(params=["memory", "directory", "s3", "s3 of others"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return memory_store()
    if request.param == "directory":
        return DirectoryStore(tmp_path / "not" / "yet" / "there")
    if request.param == "s3":
        return request.getfixturevalue("s3_store")
    return probed_s3(replace(request.getfixturevalue("s3_settings"), large_commits="put"))


def keys(store: ObjectStore, prefix: str) -> list[str]:
    return [info.key for info in store.list_objects(prefix)]


@pytest.mark.parametrize("body", [b"", b"x", bytes(range(256)) * 5000], ids=["empty", "one byte", "large"])
def test_what_was_created_is_read(store: ObjectStore, body: bytes) -> None:
    store.create("db/0000/a.ltx", body)

    assert store.get("db/0000/a.ltx") == body
    assert store.get_with_tag("db/0000/a.ltx")[0] == body
    assert b"".join(store.chunks("db/0000/a.ltx")) == body


def test_large_objects_come_in_pieces(store: ObjectStore) -> None:
    body = b"0123456789abcdef" * (3 * CHUNK_BYTES // 16 + 1)
    store.create("a", body)

    pieces = list(store.chunks("a"))

    assert b"".join(pieces) == body
    # Memory is one piece as it is; what travels does not come whole.
    assert len(pieces) > 1 or store.get("a") is not body


@pytest.mark.parametrize(
    ("start", "length", "want"),
    [(0, 4, b"0123"), (4, 0, b""), (3, 3, b"345"), (8, 100, b"89"), (0, 10, b"0123456789"), (10, 5, b""), (99, 5, b"")],
)
def test_a_range_ends_where_the_object_ends(store: ObjectStore, start: int, length: int, want: bytes) -> None:
    store.create("a", b"0123456789")

    assert store.get_range("a", start, length) == want


def test_a_range_of_an_empty_object_is_empty(store: ObjectStore) -> None:
    store.create("a", b"")

    assert store.get_range("a", 0, 100) == b""


@pytest.mark.parametrize("key", ["none", "db", "db/0000", "db/0000/a.ltx/below"])
def test_what_is_not_there_is_not_found(store: ObjectStore, key: str) -> None:
    store.create("db/0000/a.ltx", b"x")

    for read in (
        lambda: store.get(key),
        lambda: store.get_with_tag(key),
        lambda: store.get_range(key, 0, 10),
        lambda: list(store.chunks(key)),
        lambda: store.size(key),
        lambda: store.assemble("new", [CopyOf(key, 0, 1)]),
        lambda: store.replace(key, b"x", '"0"'),
    ):
        with pytest.raises((NotFound, PreconditionFailed), match=key):
            read()
    assert keys(store, "") == ["db/0000/a.ltx"]


@pytest.mark.parametrize("key", ["a b", "é/ü", "x+y", "x%20y", "#?&=", "~!$'()*", ".hidden-not", "a..b"])
def test_odd_characters_are_only_characters(store: ObjectStore, key: str) -> None:
    key = f"db/_{key}"
    store.create(key, b"x")

    assert store.get(key) == b"x"
    assert keys(store, "db/") == [key]


def test_objects_are_listed_in_order_of_their_keys(store: ObjectStore) -> None:
    """Also where a name continues another: `-` and `.` come before `/`."""
    given = ["a/z", "a-b/1", "a.txt", "a/b/c", "a/b-c", "a0", "b/0009/x", "b/0000/y", "A/1"]
    for number, key in enumerate(given):
        store.create(key, b"x" * number)

    assert keys(store, "") == sorted(given)
    assert {info.key: info.size for info in store.list_objects("")} == {key: n for n, key in enumerate(given)}


def test_a_prefix_is_a_directory(store: ObjectStore) -> None:
    for key in ("main/0000/1", "main/lock.json", "main-2/0000/1", "mainly"):
        store.create(key, b"x")

    assert keys(store, "main/") == ["main/0000/1", "main/lock.json"]
    assert keys(store, "none/") == []
    assert store.list_directories("") == ["main", "main-2"]
    assert store.list_directories("main/") == ["0000"]
    assert store.list_directories("none/") == []


AFTER = ("", "a", "a-b/1", "a/", "a/b", "a/b/", "a/b/c", "a/b/d", "a/b0", "a/c", "a0", "b", "b/0000/y", "b/0009/x", "c")


def test_a_listing_goes_on_behind_any_key(store: ObjectStore) -> None:
    given = ["a/z", "a-b/1", "a.txt", "a/b/c", "a/b-c", "a0", "b/0009/x", "b/0000/y"]
    for key in given:
        store.create(key, b"x")

    for prefix in ("", "a/", "b/"):
        for after in AFTER:
            listed = [info.key for info in store.list_objects(prefix, after)]
            assert listed == sorted(key for key in given if key.startswith(prefix) and key > after), (prefix, after)


def test_a_directory_goes_with_its_last_object(store: ObjectStore) -> None:
    store.create("a/0000/1", b"x")
    store.create("b/0000/1", b"x")
    store.delete("a/0000/1")

    assert store.list_directories("") == ["b"]


def test_the_time_of_an_object_is_when_it_was_made(store: ObjectStore) -> None:
    store.create("a", b"x")
    store.create("b", b"x")
    first, second = (info.modified_at for info in store.list_objects(""))

    assert 1_600_000_000 < first <= second + 1  # S3 tells whole seconds


def test_create_never_writes_over(store: ObjectStore) -> None:
    store.create("a", b"first")

    with pytest.raises(AlreadyExists, match="a: exists already"):
        store.create("a", b"second")

    assert store.get("a") == b"first"


def test_a_deleted_key_may_be_created_again(store: ObjectStore) -> None:
    store.create("a", b"first")
    store.delete("a")
    with pytest.raises(NotFound):
        store.get("a")

    store.create("a", b"second")

    assert store.get("a") == b"second"


def test_deleting_nothing_is_nothing(store: ObjectStore) -> None:
    store.delete("none/at/all")


def test_one_of_eight_threads_creates(store: ObjectStore) -> None:
    for round_number in range(10):
        key = f"main/0000/{round_number}"
        barrier, won, lost = threading.Barrier(8), [], []

        def create(name: bytes, key: str = key, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            try:
                store.create(key, name * 1000)
            except AlreadyExists:
                lost.append(name)  # noqa: B023 - the threads end in this turn
            else:
                won.append(name)  # noqa: B023

        threads = [threading.Thread(target=create, args=(bytes([number]),)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(won) == 1
        assert len(lost) == 7
        assert store.get(key) == won[0] * 1000


def test_replace_needs_the_version_that_is_there(store: ObjectStore) -> None:
    first = store.create("lock.json", b"1")
    assert store.get_with_tag("lock.json") == (b"1", first)

    second = store.replace("lock.json", b"2", first)

    assert store.get_with_tag("lock.json") == (b"2", second)
    assert second != first
    with pytest.raises(PreconditionFailed):
        store.replace("lock.json", b"3", first)
    assert store.get("lock.json") == b"2"


def test_replace_does_not_create(store: ObjectStore) -> None:
    tag = store.create("lock.json", b"1")
    store.delete("lock.json")

    with pytest.raises((PreconditionFailed, NotFound)):
        store.replace("lock.json", b"2", tag)

    assert keys(store, "") == []


def test_delete_version_takes_no_later_one(store: ObjectStore) -> None:
    first = store.create("lock.json", b"1")
    second = store.replace("lock.json", b"2", first)
    assert store.delete_version("lock.json", first) is False
    assert store.get("lock.json") == b"2"
    assert store.delete_version("lock.json", second) is True
    assert store.delete_version("lock.json", second) is False
    assert store.delete_version("never/there.json", second) is False
    assert keys(store, "") == []


def test_of_many_replaces_of_one_version_one_succeeds(store: ObjectStore) -> None:
    for number in range(10):
        key = f"head{number}.json"
        tag = store.create(key, b"0")
        won, lost = [], []

        def attempt(body: bytes, key: str = key, tag: str = tag, won: list = won, lost: list = lost) -> None:  # type: ignore[type-arg]
            try:
                store.replace(key, body, tag)
                won.append(body)
            except PreconditionFailed:
                lost.append(body)

        threads = [threading.Thread(target=attempt, args=(b"%d" % n,)) for n in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(won), len(lost)) == (1, 7)
        assert store.get(key) == won[0]


def test_put_writes_over_whatever_is_there(store: ObjectStore) -> None:
    store.put("db/uploads/u/1", b"one")
    tag = store.put("db/uploads/u/1", b"two")

    assert store.get_with_tag("db/uploads/u/1") == (b"two", tag)


def test_size(store: ObjectStore) -> None:
    store.create("a", b"12345")
    assert store.size("a") == 5
    with pytest.raises(NotFound):
        store.size("b")


MIB = bytes(range(256)) * 4096


@pytest.mark.parametrize("pieces", [0, 1, 7, 8, 9, 20])
def test_an_object_of_any_size_is_created_from_pieces(store: ObjectStore, pieces: int) -> None:
    store.create_from("db/0000/a.ltx", (MIB[: (1 << 20) - n] for n in range(pieces)))

    assert store.get("db/0000/a.ltx") == b"".join(MIB[: (1 << 20) - n] for n in range(pieces))


@pytest.mark.parametrize("pieces", [1, 20])
def test_created_from_pieces_it_is_written_over_nothing(store: ObjectStore, pieces: int) -> None:
    store.create("a", b"first")
    with pytest.raises(AlreadyExists):
        store.create_from("a", [MIB] * pieces)

    assert store.get("a") == b"first"


@pytest.mark.parametrize("after", [0, 1, 20])
def test_pieces_that_end_in_an_error_leave_nothing(store: ObjectStore, after: int) -> None:
    def pieces() -> Iterator[bytes]:
        yield from [MIB] * after
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        store.create_from("a", pieces())

    assert keys(store, "") == []
    store.create_from("a", [b"x"])
    assert store.get("a") == b"x"


def test_an_error_of_the_pieces_is_theirs(store: ObjectStore) -> None:
    """Reading a file that is not there says nothing about the object, or about the store."""

    def pieces(error: OSError) -> Iterator[bytes]:
        yield MIB
        raise error

    for error in (FileExistsError("theirs"), FileNotFoundError("theirs"), TimeoutError("theirs")):
        with pytest.raises(type(error), match="theirs") as caught:
            store.create_from("a", pieces(error))
        assert caught.value is error
    assert keys(store, "") == []


def test_the_pieces_are_read_once(store: ObjectStore) -> None:
    read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        for _ in range(12):
            read += 1
            yield MIB

    store.create_from("a", pieces())

    assert read == 12


def test_of_many_large_creates_one_succeeds(store: ObjectStore) -> None:
    won, lost = [], []

    def attempt(body: bytes) -> None:
        try:
            store.create_from("a", [body * (1 << 20)] * 9)
            won.append(body)
        except AlreadyExists:
            lost.append(body)

    threads = [threading.Thread(target=attempt, args=(bytes([n]),)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 4)
    assert store.get("a") == won[0] * (9 << 20)


def test_an_object_is_assembled_from_others(store: ObjectStore) -> None:
    store.create("one", MIB * 6)
    store.put("two", b"0123456789")
    store.assemble("three", [b"head" * (2 << 20), CopyOf("one", 0, 6 << 20), CopyOf("two", 3, 4)])

    assert store.get("three") == b"head" * (2 << 20) + MIB * 6 + b"3456"
    with pytest.raises(AlreadyExists):
        store.assemble("three", [CopyOf("two", 0, 10)])
    with pytest.raises(NotFound, match="nowhere"):
        store.assemble("four", [CopyOf("nowhere", 0, 10)])
    assert keys(store, "") == ["one", "three", "two"]


def test_a_copy_is_assembled_from_one_object(store: ObjectStore) -> None:
    for name, body in (("empty", b""), ("small", b"x"), ("large", MIB * 9)):
        store.create(name, body)
        store.assemble(f"copies/{name}", [CopyOf(name, 0, len(body))])
        assert store.get(f"copies/{name}") == body


def test_of_many_copies_to_one_key_one_succeeds(store: ObjectStore) -> None:
    sources = [store.create(f"source-{number}", bytes([number]) * 1000) for number in range(5)]
    won, lost = [], []

    def attempt(number: int) -> None:
        try:
            store.assemble("target", [CopyOf(f"source-{number}", 0, 1000)])
            won.append(number)
        except AlreadyExists:
            lost.append(number)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(len(sources))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(won), len(lost)) == (1, 4)
    assert store.get("target") == bytes(won) * 1000


def test_sixteen_threads_read_ranges(store: ObjectStore) -> None:
    body = bytes(range(256)) * 4096
    store.create("a", body)
    wrong: list[int] = []

    def read(thread: int) -> None:
        for turn in range(20):
            start = (thread * 7919 + turn * 104_729) % len(body)
            if store.get_range("a", start, 5000) != body[start : start + 5000]:
                wrong.append(start)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_many_are_deleted(store: ObjectStore) -> None:
    for n in range(5):
        store.create(f"a/{n}", b"x")
    store.delete_many(["a/1", "a/3", "a/nothing"])
    store.delete_many([])

    assert keys(store, "") == ["a/0", "a/2", "a/4"]


def test_who_has_the_url_may_do_what_it_says(s3_store: ObjectStore) -> None:
    from urllib.request import Request, urlopen

    urls = s3_store.presign("PUT", ["db/uploads/u/1", "db/uploads/u/2"], 60)
    assert urls is not None
    for url, body in zip(urls, (b"one", b"two"), strict=True):
        urlopen(Request(url, body, {"content-type": "application/octet-stream"}, method="PUT")).close()

    assert s3_store.get("db/uploads/u/2") == b"two"
    (url,) = s3_store.presign("GET", ["db/uploads/u/1"], 60) or []
    with urlopen(url) as answer:
        assert answer.read() == b"one"


def test_a_store_without_urls_says_so(tmp_path: Path) -> None:
    assert DirectoryStore(tmp_path).presign("GET", ["a"], 60) is None
    assert memory_store().presign("GET", ["a"], 60) is None


@pytest.mark.long
def test_s3_lists_past_a_thousand_keys(s3_store: ObjectStore) -> None:
    given = [f"db/0000/{number:016x}" for number in range(1, 1012)]
    for key in given:
        s3_store.create(key, b"")

    assert keys(s3_store, "db/") == given


def test_the_settings_say_which_store(tmp_path: Path, s3_settings: Settings) -> None:
    directory = tmp_path / "Ein Ordner, 100%"
    local = open_store(Settings((directory).as_uri()))
    local.create("a/b", b"x")
    s3 = open_store(s3_settings)
    s3.create("a/b", b"y")

    assert (directory / "a" / "b").read_bytes() == b"x"
    assert s3.get("a/b") == b"y"


def test_stores_with_other_prefixes_see_nothing_of_each_other(s3_settings: Settings) -> None:
    one, two = plain_s3(s3_settings), plain_s3(replace(s3_settings, store=s3_settings.store + "-two"))
    one.create("main/a", b"1")
    two.create("main/a", b"2")

    assert (one.get("main/a"), two.get("main/a")) == (b"1", b"2")
    assert keys(one, "") == keys(two, "") == ["main/a"]


def test_the_words_of_a_store_are_looked_for_in_a_chain_without_an_end() -> None:
    refused, led_to = Refused("key", "refused"), ValueError("so")
    refused.__cause__ = refused
    led_to.__cause__ = refused
    assert detail_of(led_to) == ""


def test_an_error_that_is_about_no_key_names_none() -> None:
    assert [str(Refused("", "no such bucket")), str(Refused("main/head.json", "no"))] == [
        "no such bucket",
        "main/head.json: no",
    ]
