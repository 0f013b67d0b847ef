"""What is copied is what was there: nothing that a checksum does not prove is put, believed, or a reason to drop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambda_handlers.actions import verified_files
from lambda_handlers.storage import verification
from lambda_handlers.storage.log.keys import LtxName, parse_ltx_key, snapshot, transaction
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.protocol import Unavailable
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock, host_without_waits
from tests.fakes.databases.engine import compact
from tests.fakes.databases.past import act, image
from tests.fakes.databases.service import run
from tests.fakes.stores.faulty import FaultyStore, lose_request, meanwhile, works
from tests.fakes.stores.memory import memory_store


class Damaging(FaultyStore):
    """Answers about keys that end with `at` are damaged by `how`, so many `times`."""

    def __init__(self, store, how, at: str = ".ltx", times: int = 1, sound: int = 0) -> None:
        """`sound`: so many answers before them are not."""
        super().__init__(store)
        self._how, self._at, self.times, self._sound = how, at, times, sound
        self.is_on = False

    def get(self, key: str) -> bytes:
        return self._damaged(key, super().get(key))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self._damaged(key, super().get_range(key, start, length))

    def chunks(self, key: str) -> Iterator[bytes]:
        yield self._damaged(key, b"".join(super().chunks(key)))

    def _damaged(self, key: str, body: bytes) -> bytes:
        if not self.is_on or not self.times or not key.endswith(self._at) or not body:
            return body
        if self._sound:
            self._sound -= 1
            return body
        self.times -= 1
        return self._how(body)


def flip_middle(body: bytes) -> bytes:
    return flipped(body, len(body) // 2)


def flip_node_id(body: bytes) -> bytes:
    return flipped(body, min(75, len(body) - 1))


def flip_txid(body: bytes) -> bytes:
    return flipped(body, min(31, len(body) - 1))


def flip_commit(body: bytes) -> bytes:
    return flipped(body, min(15, len(body) - 1))


def flip_last(body: bytes) -> bytes:
    return flipped(body, len(body) - 1)


def shorten(body: bytes) -> bytes:
    return body[: len(body) * 2 // 3]


def empty(body: bytes) -> bytes:
    return b""


def flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes((body[at] ^ 4,)) + body[at + 1 :]


@pytest.fixture
def host():
    return host_without_waits()  # a rename waits for other writers


DAMAGES = [flip_commit, flip_txid, flip_node_id, flip_middle, flip_last, shorten, empty]


def fill(service, database="main"):
    run(service, "CREATE TABLE t (a, b)", database=database)
    for number in (2, 3):
        many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)"
        run(service, f"{many} INSERT INTO t SELECT {number}, hex(randomblob(100)) FROM n", database=database)


@pytest.fixture(params=["small", "large"])
def size(request, monkeypatch):
    """Small files go through the function, large ones are copied inside the store."""
    if request.param == "large":
        monkeypatch.setattr(verified_files, "SMALL_BYTES", 50)
        monkeypatch.setattr("lambda_handlers.storage.verification.RANGE_BYTES", 20_000)


@pytest.fixture(params=["memory", "directory"])
def store(request, tmp_path):
    return memory_store() if request.param == "memory" else DirectoryStore(tmp_path / "store")


def is_sound(store, database: str, like: str, at: int) -> bool:
    return image(store, database) == image(store, like, at=at)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("times", [1, 99])
@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.usefixtures("size")
def test_a_damaging_transport_makes_no_bad_copy(container, store, how, times):
    fill(container(store))
    damaging = Damaging(store, how, times=times)
    service = container(damaging)
    run(service, "SELECT 1")
    damaging.is_on = True
    try:
        act(service, "rename_database", to="new")
        is_renamed = True
    except SldbError as error:
        assert error.code in ("corrupt", "store_error")  # noqa: PT017 - either outcome is right
        is_renamed = False
    damaging.is_on = False
    if not is_renamed:
        assert run(container(store), "SELECT count(*) FROM t").rows == [(800,)]
        act(container(store), "rename_database", to="new")
    assert is_sound(store, "new", "main", at=3)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.usefixtures("size")
def test_one_damaged_answer_is_asked_for_again(container, store, how):
    fill(container(store))
    damaging = Damaging(store, how, transaction(2).key("main"))
    damaging.is_on = True
    act(container(damaging), "branch", **{"as": "new"})
    assert damaging.times == 0
    assert is_sound(store, "new", "main", at=3)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("txid", [1, 2, 3])
@pytest.mark.parametrize("name", ["branch", "rename_database"])
@pytest.mark.usefixtures("size")
def test_a_source_that_is_damaged_where_it_lies_is_refused(container, store, how, txid, name):
    service = container(store)
    fill(service)
    key = transaction(txid).key("main")
    whole = store.get(key)
    store.put(key, how(whole))
    with pytest.raises(SldbError) as caught:
        act(service, name, **{"as" if name == "branch" else "to": "new"})
    assert (caught.value.code, caught.value.details["key"]) == ("corrupt", key)
    assert not [info.key for info in store.list_objects("new/")], "the name is free as before"
    store.put(key, whole)
    assert run(service, "SELECT count(*) FROM t").rows == [(800,)]
    act(service, name, **{"as" if name == "branch" else "to": "new"})
    assert is_sound(store, "new", "main", at=3)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("how", [flip_middle, flip_last, shorten])
@pytest.mark.parametrize("name", [LtxName(1, 1, 1), transaction(2), transaction(3), transaction(1)])
@pytest.mark.usefixtures("size")
def test_a_repeated_call_compares_what_is_there(container, store, how, name):
    """A copy that is damaged where it lies: repeating says so, and nothing is dropped for it."""
    service = container(store)
    fill(service)
    act(service, "branch", **{"as": "new"})
    key = name.key("new")
    store.put(key, how(store.get(key)))
    for action, argument in (("branch", "as"), ("rename_database", "to")):
        with pytest.raises(SldbError) as caught:
            act(container(store), action, **{argument: "new"})
        assert (caught.value.code, caught.value.details["key"]) == ("corrupt", key)
    assert run(service, "SELECT count(*) FROM t").rows == [(800,)]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("how", [flip_middle, shorten])
@pytest.mark.parametrize("name", ["branch", "rename_database"])
@pytest.mark.usefixtures("size")
def test_a_copy_that_comes_out_damaged_is_seen(container, store, how, name):
    """The store's own copy, or what it made of what it was sent, is another one."""
    fill(container(store))
    faulty = FaultyStore(store)

    def damage(key, act):
        result = act()
        if key.startswith("new/") and parse_ltx_key("new", key) == transaction(2):
            store.put(key, how(store.get(key)))
        return f"not {result}"

    for verb in ("create", "assemble"):
        faulty.plan(verb, *[damage] * 20)
    with pytest.raises(SldbError) as caught:
        act(container(faulty), name, **{"as" if name == "branch" else "to": "new"})
    assert (caught.value.code, caught.value.details["key"]) == ("corrupt", transaction(2).key("new"))
    assert run(container(store), "SELECT count(*) FROM t").rows == [(800,)]


@pytest.mark.parametrize("how", [flip_commit, flip_middle, flip_last, shorten])
def test_a_rename_onto_a_dropped_name_drops_nothing_for_a_damaged_transaction(container, store, how):
    fill(container(store))
    run(container(store), "CREATE TABLE old (x)", database="new")
    act(container(store), "drop_database", "new")
    faulty = FaultyStore(store)

    def damage(key, act):
        tag = act()
        store.put(key, how(store.get(key)))
        return tag

    faulty.plan("create", damage)
    with pytest.raises(SldbError) as caught:
        act(container(faulty), "rename_database", to="new")
    assert (caught.value.code, caught.value.details["key"]) == ("corrupt", transaction(3).key("new"))
    assert "main was not dropped" in caught.value.message
    assert run(container(store), "SELECT count(*) FROM t").rows == [(800,)]


def test_a_damaged_page_map_is_not_copied_along(container, store, tmp_path, monkeypatch):
    monkeypatch.setattr("lambda_handlers.storage.verification.MAP_WORTH_BYTES", 1000)
    fill(container(store))
    compact(store, snapshot(3), tmp_path)
    store.create(snapshot(3).page_map_key("main"), b"no page map")
    act(container(store), "branch", **{"as": "new"})
    assert store.get(snapshot(3).page_map_key("new")) != b"no page map"
    assert is_sound(store, "new", "main", at=3)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("sound", range(4))
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_mark_is_no_reason_to_take_another_moment(container, store, how, sound):
    """The mark says of what and when an unfinished copy is."""
    service = container(store)
    fill(service)
    faulty = FaultyStore(store)
    faulty.plan("create", works, works, *[lose_request] * 20)  # the doubt, the mark
    with pytest.raises(SldbError):
        act(container(faulty), "branch", **{"as": "new"})
    run(service, "DELETE FROM t")
    damaging = Damaging(store, how, transaction(1).key("new"), sound=sound)
    damaging.is_on = True
    try:
        assert act(container(damaging), "branch", **{"as": "new"})["txid"] == 3
    except SldbError as error:
        assert error.code == "corrupt"  # noqa: PT017 - either outcome is right
    damaging.is_on = False
    assert act(service, "branch", **{"as": "new"})["txid"] == 3
    assert is_sound(store, "new", "main", at=3)


@pytest.mark.parametrize("how", [None, flip_middle])
@pytest.mark.usefixtures("size")
def test_a_copy_whose_answer_got_lost_is_read_back(container, store, how):
    fill(container(store))
    faulty = FaultyStore(store)

    def lose(key, act):
        act()
        if how is not None and key == transaction(2).key("new"):
            store.put(key, how(store.get(key)))
        raise Unavailable(key, "no answer")

    for verb in ("create", "assemble"):
        faulty.plan(verb, *[lose] * 20)
    if how is None:
        act(container(faulty), "branch", **{"as": "new"})
        assert is_sound(store, "new", "main", at=3)
        return
    with pytest.raises(SldbError) as caught:
        act(container(faulty), "branch", **{"as": "new"})
    assert (caught.value.code, caught.value.details["key"]) == ("corrupt", transaction(2).key("new"))


@pytest.mark.parametrize("how", DAMAGES)
def test_what_does_not_stay_in_memory_is_compared_again(container, store, monkeypatch, how):
    monkeypatch.setattr(verified_files, "KEPT_BYTES", 0)
    fill(container(store))
    damaging = Damaging(store, how, transaction(2).key("main"))
    really_verify = verification.verify

    def then_damage(*args):
        proof = really_verify(*args)
        damaging.is_on = True
        return proof

    monkeypatch.setattr(verification, "verify", then_damage)
    act(container(damaging), "branch", **{"as": "new"})
    assert damaging.times == 0
    assert is_sound(store, "new", "main", at=3)


def test_a_copy_that_does_not_open_is_no_reason_to_drop(container, store):
    """Something removes a file of the copy before it is complete."""
    fill(container(store))
    faulty = FaultyStore(store)
    creates = 5  # the doubt, the mark, two files, the base; then the head
    faulty.plan("create", *[works] * creates, meanwhile(lambda: store.delete(transaction(2).key("new"))))
    with pytest.raises(SldbError):
        act(container(faulty), "rename_database", to="new")
    assert run(container(store), "SELECT count(*) FROM t").rows == [(800,)]
    act(container(store), "rename_database", to="new")
    assert is_sound(store, "new", "main", at=3)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("reads", range(6))
@pytest.mark.usefixtures("size")
def test_the_time_is_looked_at_while_it_is_read(container, store, reads):
    """Whichever read it is that takes long: nothing is half done, and the same again completes it."""
    clock = Clock()
    fill(container(store, host=clock.host()))
    faulty = FaultyStore(store)

    def slowly(_key, act):
        clock.time += 1000
        return act()

    for verb in ("chunks", "get"):
        faulty.plan(verb, *[works] * reads, slowly)
    try:
        act(container(faulty, host=clock.host()), "branch", **{"as": "new"})
    except SldbError as error:
        assert error.code == "query_timeout"  # noqa: PT017 - either outcome is right
    act(container(store, host=clock.host()), "branch", **{"as": "new"})
    assert is_sound(store, "new", "main", at=3)


def test_what_it_costs(container, store, monkeypatch):
    """Everything is read once; where the store tells the checksum of what it has, nothing is read again."""
    fill(container(store))
    total = sum(info.size for info in store.list_objects("main/") if info.key.endswith(".ltx"))
    for small_bytes in (1 << 20, 50):
        monkeypatch.setattr(verified_files, "SMALL_BYTES", small_bytes)
        metered = MeteredStore(store)
        service = container(metered)
        act(service, "branch", **{"as": f"new-{small_bytes}"})
        tells = isinstance(store, DirectoryStore) and small_bytes > 50  # memory has no checksums of its objects
        reads_again = 1 if tells else 2
        assert metered.bytes_in <= reads_again * total + 2000
