"""Whatever commits says truly whether it did: when the answer to its create is lost or wrong, and what is read back is
damaged; and sent again, it is done once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambda_handlers.host import Host
from lambda_handlers.service import Service
from lambda_handlers.storage.log.keys import parse_ltx_key
from lambda_handlers.store.protocol import AlreadyExists, Refused, Unavailable
from lambda_handlers.wire import SldbError
from tests.fakes.clock import host_without_waits
from tests.fakes.databases import sqlite_files
from tests.fakes.databases.past import act, state
from tests.fakes.databases.service import run
from tests.fakes.databases.sqlite_files import Recipe
from tests.fakes.stores.faulty import Act, FaultyStore, Step
from tests.fakes.stores.uploads import upload

SMALL = Recipe(4096, False, "none", 50, 100, 0, False, False, False, False, 0, 1)


@pytest.fixture
def host() -> Host:
    return host_without_waits()  # a rename waits for other writers


def insert(service: Service, given: Any) -> int:
    return run(service, "INSERT INTO t VALUES (9)", request_id="once").txid


def restore(service: Service, given: Any) -> int:
    return act(service, "restore", at=1)["txid"]


def drop(service: Service, given: Any) -> int:
    return act(service, "drop_database")["txid"]


def create(service: Service, given: Any) -> int:
    return act(service, "create_database", "fresh")["txid"]


def push(service: Service, given: Any) -> int:
    return act(service, "push_commit", **given)["txid"]


def branch_over(service: Service, given: Any) -> int:
    return act(service, "branch", **{"as": "gone"})["txid"]


def rename_over(service: Service, given: Any) -> int:
    return act(service, "rename_database", to="gone")["txid"]


COMMITS: dict[Callable[[Service, Any], int], str] = {
    insert: "main",
    restore: "main",
    drop: "main",
    create: "fresh",
    push: "main",
    branch_over: "gone",
    rename_over: "gone",
}


@pytest.fixture(params=COMMITS, ids=lambda commit: commit.__name__)
def commit(request) -> Callable[[Service, Any], int]:
    return request.param


@pytest.fixture
def faulty(store, container):
    service = container(store)
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    run(service, "INSERT INTO t VALUES (2)")
    run(service, "CREATE TABLE old (a)", database="gone")
    act(service, "drop_database", "gone")
    return FaultyStore(store)


@pytest.fixture
def given(store, tmp_path):
    path = tmp_path / "in.db"
    sqlite_files.make(path, SMALL).close()
    return upload(store, path)


def newest(store, database: str) -> int:
    names = (parse_ltx_key(database, info.key) for info in store.list_objects(f"{database}/"))
    return max((name.max_txid for name in names if name), default=0)


def answered(error: Exception, effect: bool) -> Step:
    def step(_key: str, act: Act) -> Any:
        if effect:
            act()
        raise error

    return step


def cut(_key: str, act: Act) -> bytes:
    """In the middle of the header."""
    return bytes(act()[:60])


def flipped(_key: str, act: Act) -> bytes:
    """A bit of the node id."""
    body = bytearray(act())
    body[79] ^= 1
    return bytes(body)


ANSWERS = {
    "no answer": lambda: Unavailable("key", "no answer"),
    "404": lambda: Unavailable("key", "answered 404"),
    "403": lambda: Refused("key", "answered 403 AccessDenied"),
    "409 or 412": lambda: AlreadyExists("key"),
}
READINGS: dict[str, list[Step]] = {"sound": [], "cut off": [cut], "flipped": [flipped], "always cut off": [cut] * 20}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("effect", [True, False], ids=["applied", "not applied"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_what_is_said_is_so_and_again_it_is_done_once(
    faulty: FaultyStore, container, given, commit, answer: str, effect: bool, reading: str
) -> None:
    database = COMMITS[commit]
    before = newest(faulty.store, database)
    service = container(faulty)
    error = ANSWERS[answer]()

    def create(key: str, act: Act) -> Any:
        if key.startswith("_doubt-"):  # before the commit of a drop
            faulty.plan("create", create)
            return act()
        faulty.plan("get_range", *READINGS[reading])
        return answered(error, effect)(key, act)

    faulty.plan("create", create)
    try:
        said = "yes" if commit(service, given) else "no"
    except SldbError as failed:
        said = failed.details["applied"]
    applied = newest(faulty.store, database) > before
    assert said in ("yes" if applied else "no", "unknown")
    if effect and reading != "always cut off":
        assert said == "yes"

    faulty.forget_plans()
    commit(container(faulty), given)
    assert newest(faulty.store, database) == before + 1
    assert all(len(bodies) == 1 for key, bodies in faulty.written.items() if parse_ltx_key(database, key))
    assert [part for part in state(faulty.store, database) if part == ("sound", False)] == []


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_write_that_nobody_gave_an_id_is_applied_once(
    faulty: FaultyStore, container, answer: str, reading: str
) -> None:
    """Nothing but what is read back keeps it from running again."""
    before = newest(faulty.store, "main")

    def create(key: str, act: Act) -> Any:
        faulty.plan("get_range", *READINGS[reading])
        return answered(ANSWERS[answer](), True)(key, act)

    faulty.plan("create", create)
    said = "yes"
    try:
        run(container(faulty), "INSERT INTO t VALUES (9)")
    except SldbError as failed:
        said = failed.details["applied"]
    faulty.forget_plans()

    assert said == ("unknown" if reading == "always cut off" else "yes")
    assert newest(faulty.store, "main") == before + 1
    assert run(container(faulty), "SELECT count(*) FROM t WHERE a = 9").rows == [(1,)]


@pytest.mark.parametrize("verb", ["size", "get", "get_range", "list_objects"])
def test_what_fails_after_the_commit_does_not_deny_it(faulty: FaultyStore, container, given, commit, verb: str) -> None:
    """The store is gone as soon as the transaction is in it."""
    database = COMMITS[commit]
    before = newest(faulty.store, database)

    def create(_key: str, act: Act) -> Any:
        done = act()
        faulty.plan(verb, *[answered(Unavailable("key", "no answer"), False)] * 50)
        return done

    faulty.plan("create", create)
    said = "yes"
    try:
        commit(container(faulty), given)
    except SldbError as failed:
        said = failed.details.get("applied") or failed.message
    assert newest(faulty.store, database) == before + 1
    assert said == "yes"


@pytest.mark.parametrize("refusal", ["403", "no answer"])
def test_half_a_rename_is_not_denied(faulty: FaultyStore, container, refusal: str) -> None:
    """The copy is made, then the drop is refused."""
    real = faulty.create

    def create(key: str, body: bytes) -> str:
        if key.startswith("main/0000/") and newest(faulty.store, "renamed"):
            raise ANSWERS[refusal]()
        return real(key, body)

    faulty.create = create  # type: ignore[method-assign]  # of this one
    with pytest.raises(SldbError, match="renamed was created") as caught:
        act(container(faulty), "rename_database", to="renamed")
    assert caught.value.details["applied"] == "unknown"
    assert state(faulty.store, "main")
    assert state(faulty.store, "renamed")

    faulty.create = real  # type: ignore[method-assign]  # of this one
    act(container(faulty), "rename_database", to="renamed")
    assert state(faulty.store, "main") == []
    assert state(faulty.store, "renamed")


@pytest.mark.parametrize("refusal", ["403", "no answer"])
@pytest.mark.parametrize("applies", [True, False])
@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("nth", [0, 1, 2])
def test_a_branch_that_was_begun_is_not_denied(
    faulty: FaultyStore, container, refusal: str, applies: bool, reads: bool, nth: int
) -> None:
    """Its mark, a file, or its base is refused, with the effect or without, and perhaps cannot be read back."""
    real, made = faulty.create, list[str]()

    def create(key: str, body: bytes) -> str:
        if key.startswith("made/") and key.endswith(".ltx"):
            made.append(key)
            if len(made) == nth + 1:
                if applies:
                    real(key, body)
                if not reads:
                    faulty.plan("chunks", answered(Unavailable(key, "no answer"), False))
                raise ANSWERS[refusal]()
        return real(key, body)

    faulty.create = create  # type: ignore[method-assign]  # of this one
    said = "yes"
    try:
        act(container(faulty), "branch", **{"as": "made"})
    except SldbError as failed:
        said = failed.details["applied"]
    assert said == ("yes" if applies and reads else "unknown")
    faulty.create = real  # type: ignore[method-assign]  # of this one
    act(container(faulty), "branch", **{"as": "made"})
    assert state(faulty.store, "made") == state(faulty.store, "main")


def half(_key: str, act: Act) -> bytes:
    body = bytes(act())
    return body[: len(body) // 2]


@pytest.mark.parametrize("reading", [flipped, half, answered(Unavailable("key", "no answer"), False)])
@pytest.mark.parametrize("commit", [push, create], ids=lambda commit: commit.__name__)
def test_sent_again_it_finds_what_it_did_whatever_is_read_of_that(
    faulty: FaultyStore, container, given, commit, reading: Step
) -> None:
    """Its node id says that it was this very push, its kind that it was made empty: no checksum covers either."""
    first = commit(container(faulty), given)
    service = container(faulty)
    act(service, "history", COMMITS[commit])
    spoiled: list[str] = []

    def once(key: str, act: Act) -> Any:
        """The first short range: a header."""
        if not spoiled and len(act()) <= 100:
            spoiled.append(key)
            return reading(key, act)
        return act()

    faulty.plan("get_range", *[once] * 50)
    said = "yes"
    try:
        again = commit(service, given)
    except SldbError as failed:
        again, said = first, failed.details["applied"]

    assert spoiled
    assert said in ("yes", "unknown")
    assert again == first == newest(faulty.store, COMMITS[commit])
