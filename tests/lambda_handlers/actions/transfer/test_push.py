"""push_commit: whatever goes wrong, a pushed file is one transaction, once, or nothing has changed."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from lambda_handlers.caller import Caller
from lambda_handlers.storage.log.keys import upload_key
from lambda_handlers.wire import Action, SldbError
from sldb.push_pull import encoding
from tests.fakes.clock import Clock
from tests.fakes.databases import sqlite_files
from tests.fakes.databases.past import act, state
from tests.fakes.databases.service import container as new_container
from tests.fakes.databases.service import run
from tests.fakes.databases.sqlite_files import Recipe
from tests.fakes.stores.faulty import FaultyStore, blame_own, clash, lose_answer, lose_request, meanwhile, refuse, works
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.uploads import upload

SMALL = Recipe(4096, False, "none", 50, 100, 0, False, False, False, False, 0, 1)
LARGER = Recipe(1024, True, "full", 300, 1000, 30, True, False, True, False, 3, 2)


@pytest.fixture(params=["one part", "several"])
def file(request, tmp_path, monkeypatch) -> Path:
    """The second is made of parts, as a file of more than 8 MiB is."""
    if request.param == "several":
        monkeypatch.setattr(encoding, "PART_BYTES", 100_000)
        monkeypatch.setattr("lambda_handlers.actions.transfer.push.MIN_PART_BYTES", 50_000)
    path = tmp_path / "in.db"
    sqlite_files.make(path, LARGER if request.param == "several" else SMALL).close()
    return path


@pytest.fixture
def faulty(store):
    return FaultyStore(store)


@pytest.fixture
def ready(store, file):
    return upload(store, file)


def expected(file: Path) -> int:
    import sqlite3

    connection = sqlite3.connect(file)
    count: int = connection.execute("SELECT count(*) FROM t").fetchone()[0]
    connection.close()
    return count


def is_there(store, file: Path) -> bool:
    service = new_container(store)
    rows = run(service, "SELECT count(*) FROM t").rows
    service.close()
    return rows == [(expected(file),)] and state(store)[0] == ("sound", True)


def refused(service, name, **arguments) -> SldbError:
    with pytest.raises(SldbError) as caught:
        act(service, name, **arguments)
    return caught.value


def verb_of(ready) -> str:
    return "create" if len(ready["parts"]) == 1 else "assemble"


@pytest.mark.parametrize(
    "steps",
    [(lose_answer,), (lose_request,), (blame_own,), (clash,), (clash, lose_request, lose_answer)],
    ids=lambda steps: "+".join(step.__name__ for step in steps),
)
def test_an_answer_that_says_nothing(container, store, faulty, ready, file, steps):
    service = container(faulty)
    faulty.plan(verb_of(ready), *steps)
    assert act(service, "push_commit", **ready)["txid"] == 1
    assert is_there(store, file)


def test_a_store_that_refuses(container, store, faulty, ready):
    service = container(faulty)
    faulty.plan(verb_of(ready), refuse)
    error = refused(service, "push_commit", **ready)
    assert (error.code, error.details["applied"]) == ("store_error", "no")
    assert run(service, "SELECT * FROM sqlite_schema").rows == []


def test_what_stays_unknown_is_found_by_the_same_push(container, store, faulty, ready, file):
    """The commit arrives; then the store is silent for good. The client asks again later, after others have written."""
    service = container(faulty)

    def fall_silent(key, made):
        faulty.plan("get_range", *[lose_request] * 3)
        return lose_answer(key, made)

    faulty.plan(verb_of(ready), fall_silent)
    error = refused(service, "push_commit", **ready)
    assert error.details["applied"] == "unknown"
    faulty.forget_plans()
    other = container(store)
    run(other, "CREATE TABLE another (x)")
    again = act(container(store), "push_commit", **ready)
    assert (again["txid"], again["before"], again["replaced_bytes"]) == (1, 0, None)
    assert [line["kind"] for line in act(other, "history")["transactions"]] == ["CREATE", "push"]


def test_sent_twice_at_once(container, store, ready, file):
    """As a client does whose first request is still under way when it gives up waiting."""
    replies = []

    def send(service) -> None:
        replies.append(act(service, "push_commit", **ready))

    threads = [threading.Thread(target=send, args=(container(store),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {reply["txid"] for reply in replies} == {1}
    assert is_there(store, file)


def test_another_writer_is_first(container, store, faulty, ready, file):
    service, other = container(faulty), container(store)
    faulty.plan(verb_of(ready), meanwhile(lambda: run(other, "CREATE TABLE another (x)")))
    reply = act(service, "push_commit", **ready)
    assert (reply["before"], reply["txid"]) == (1, 2)
    assert is_there(store, file)


def test_another_writer_is_first_where_that_matters(container, store, faulty, ready):
    service, other = container(faulty), container(store)
    faulty.plan(verb_of(ready), meanwhile(lambda: run(other, "CREATE TABLE another (x)")))
    assert refused(service, "push_commit", **ready, if_txid=0).code == "conflict"
    assert run(service, "SELECT name FROM sqlite_schema").rows == [("another",)]


def test_a_part_that_is_gone(container, store, faulty, ready):
    service = container(faulty)
    missing = ready["parts"][-1]
    store.delete(f"main/uploads/{ready['upload']}/{missing}")
    error = refused(service, "push_commit", **ready)
    assert (error.code, error.details["missing"]) == ("not_found", [missing])
    assert act(service, "push_begin", upload=ready["upload"])["txid"] == 0


def test_a_part_that_goes_while_it_is_read(container, store, faulty, ready):
    service = container(faulty)
    key = f"main/uploads/{ready['upload']}/{ready['parts'][0]}"
    faulty.plan("get", meanwhile(lambda: store.delete(key)))
    assert refused(service, "push_commit", **ready).details["missing"] == [ready["parts"][0]]


@pytest.mark.long
def test_what_the_function_reads_and_writes_is_two_parts(container, store, faulty, tmp_path):
    """However many there are."""
    path = tmp_path / "large.db"
    sqlite_files.make(path, Recipe(8192, False, "none", 9000, 3000, 0, False, False, False, False, 0, 3)).close()
    ready = upload(store, path)
    assert len(ready["parts"]) == 4
    service = container(faulty)
    act(service, "push_commit", **ready)
    read = [key for verb, key in faulty.calls if verb == "get" and "/uploads/" in key]
    assert [key.rpartition("/")[2] for key in read] == [ready["parts"][0], ready["parts"][-1]]
    assert faulty.verbs().count("assemble") == 1
    assert is_there(store, path)


def test_those_who_come_cold_find_a_page_map_and_a_head(container, store, tmp_path):
    path = tmp_path / "in.db"
    sqlite_files.make(path, Recipe(4096, False, "none", 3000, 300, 0, False, False, True, False, 0, 4)).close()
    ready = upload(store, path)
    act(container(store), "push_commit", **ready)
    watched = FaultyStore(store)
    cold = container(watched)
    assert run(cold, "SELECT count(*) FROM many_7").rows == [(0,)]
    verbs = watched.verbs()
    assert "list_objects" not in verbs
    # The head with the map (and the schema's pages in that), what may come after it, the table's one leaf.
    assert len(verbs) <= 6


def test_the_history_says_what_it_was(service, store, ready):
    act(service, "push_commit", **ready)
    assert act(service, "history")["transactions"][0]["kind"] == "push"


def test_the_history_names_its_caller(service, store, file, ready):
    before = run(service, "CREATE TABLE other (a)").txid  # whose counters page 1 continues
    service.act(Action("push_commit", "main", ready), caller=Caller("ada", None, may_write=True))
    newest, older = act(service, "history")["transactions"]
    assert (newest["kind"], newest["caller"], newest["txid"], older["caller"]) == ("push", "ada", before + 1, None)
    assert is_there(store, file)
    run(service, "CREATE TABLE later (a)")
    assert act(service, "history")["transactions"][0]["caller"] is None


BAD = {
    "upload": [None, "", "XYZ", "../../main/0000", "0" * 17, 5],
    "parts": [None, [], ["x"], "00001", [5], ["../" + "0" * 30]],
    "page_map": [None, "", "!", "AAAA", 5],
    "first_page": [None, "", "AAAA", "!"],
    "push": [None, "", "zz", "0" * 13],
    "since": [None, -1, "1", True],
    "if_txid": [-1, "1"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_an_argument_that_makes_no_sense_is_named(service, store, tmp_path, name, value):
    path = tmp_path / "in.db"
    sqlite_files.make(path, SMALL).close()
    error = refused(service, "push_commit", **{**upload(store, path), name: value})
    assert error.code == "bad_request"
    assert f"arguments.{name}" in error.message
    assert act(service, "push_begin", upload="0" * 16)["txid"] == 0


def test_parts_of_another_file_are_refused(service, store, tmp_path):
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    sqlite_files.make(one, SMALL).close()
    sqlite_files.make(other, LARGER).close()
    ready, wrong = upload(store, one), upload(store, other)
    for name in ("page_map", "first_page"):
        error = refused(service, "push_commit", **{**ready, name: wrong[name]})
        assert error.code in ("corrupt", "bad_request")
    assert act(service, "push_begin", upload="0" * 16)["txid"] == 0


def test_small_parts_are_refused(service, store, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "PART_BYTES", 100_000)
    path = tmp_path / "in.db"
    sqlite_files.make(path, LARGER).close()
    error = refused(service, "push_commit", **upload(store, path))
    assert "5242880 or more" in error.message


def test_a_memory_store_gives_no_addresses(service):
    part = "00001-" + "0" * 32
    assert act(service, "push_urls", upload="0" * 16, parts=[part])["urls"] is None
    assert memory_store().presign("PUT", ["x"], 1) is None


def test_a_lock_is_held_while_it_is_committed(container, store, faulty, ready, tmp_path):
    from lambda_handlers.host import Host
    from lambda_handlers.locks.s3 import ObjectLock
    from lambda_handlers.shared.lock_holder import lock_key

    held = []
    service = container(faulty, ObjectLock(store, Host(), max_age_seconds=90, retry_seconds=0.01))
    faulty.plan(verb_of(ready), meanwhile(lambda: held.append(store.get(lock_key("main")))), works)
    act(service, "push_commit", **ready)
    assert b"push" in held[0]


def flip(body: bytes) -> bytes:
    return body[: len(body) // 2] + bytes((body[len(body) // 2] ^ 8,)) + body[len(body) // 2 + 1 :]


@pytest.fixture(params=["memory", "s3"])
def any_store(request, store):
    return store if request.param == "memory" else request.getfixturevalue("s3_store")


@pytest.mark.parametrize("damage", [flip, lambda body: body[:-1] + b"x"], ids=["flipped", "end"])
def test_a_part_that_was_damaged_on_its_way_is_named(container, store, any_store, file, damage):
    ready = upload(any_store, file)
    service = container(any_store)
    for name in ready["parts"]:
        key = upload_key("main", ready["upload"], name)
        sound = any_store.get(key)
        any_store.put(key, damage(sound))
        error = refused(service, "push_commit", **ready)
        assert (error.code, error.details["missing"], error.details["damaged"]) == ("not_found", [name], [name])
        any_store.put(key, sound)
    assert run(service, "SELECT * FROM sqlite_schema").rows == []
    if any_store is store or len(ready["parts"]) == 1:  # S3 assembles no parts as small as these
        act(service, "push_commit", **ready)
        assert is_there(any_store, file)


def test_a_part_that_comes_damaged_once_is_asked_for_again(container, store, faulty, ready, file):
    faulty.plan("get", lambda _key, act: flip(act()))
    faulty.plan("chunks", lambda _key, act: [flip(b"".join(act()))])
    act(container(faulty), "push_commit", **ready)
    assert is_there(store, file)


def test_parts_as_older_clients_name_them(container, store, ready, file):
    named = []
    for name in ready["parts"]:
        body = store.get(upload_key("main", ready["upload"], name))
        named.append(f"{name[:6]}{hashlib.sha256(body).hexdigest()[:32]}")
        store.put(upload_key("main", ready["upload"], named[-1]), body)
    act(container(store), "push_commit", **{**ready, "parts": named})
    assert is_there(store, file)


def test_where_the_store_tells_a_checksum_only_the_ends_are_read(container, s3_store, file):
    ready, faulty = upload(s3_store, file), FaultyStore(s3_store)
    faulty.plan(verb_of(ready), refuse)
    refused(container(faulty), "push_commit", **ready)
    ends = {upload_key("main", ready["upload"], name) for name in (ready["parts"][0], ready["parts"][-1])}
    assert {key for verb, key in faulty.calls if verb in ("get", "chunks") and "/uploads/" in key} == ends


def test_looking_at_the_names_of_a_file_ends_with_the_time(store, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "PART_BYTES", 10_000)
    monkeypatch.setattr("lambda_handlers.actions.transfer.push.MIN_PART_BYTES", 5_000)
    file = tmp_path / "in.db"
    connection = sqlite3.connect(file)
    connection.executescript(
        "BEGIN;" + "".join(f"CREATE TABLE t{os.urandom(45).hex()} (a);" for _ in range(300)) + "COMMIT"
    )
    connection.close()
    ready, clock = upload(store, file), Clock()
    faulty = FaultyStore(store)
    service = new_container(faulty, host=clock.host())

    def late(key, act):
        clock.time += 1e6
        return act()

    faulty.plan("get", late)
    error = refused(service, "push_commit", **ready)
    assert error.code == "query_timeout"
    assert not [key for verb, key in faulty.calls if verb == "get_range" and "/uploads/" in key]
    assert state(store) == []
    clock.time = 0.0
    act(service, "push_commit", **ready)
    assert [key for verb, key in faulty.calls if verb == "get_range" and "/uploads/" in key]
