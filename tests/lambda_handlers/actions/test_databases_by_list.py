"""databases by LIST alone: how many requests, and what is shown while databases come and go."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.simulated_s3 import SimulatedS3
from lambda_handlers.actions import databases
from lambda_handlers.service import Service
from lambda_handlers.storage.log import doubts
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.upkeep.sweep import Sweep
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError
from tests.fakes.clock import host_without_waits
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import FaultyStore, lose_request, meanwhile, works
from tests.fakes.stores.memory import memory_store


def listed(service: Service, **arguments: Any) -> dict[str, str | None]:
    """Return the states by name; None for a name that was not looked at."""
    return {one["name"]: one.get("state") for one in act(service, "databases", **arguments)["databases"]}


def swept(store: ObjectStore) -> ObjectStore:
    for _ in range(50):
        Sweep(store, host_without_waits(), 30 * 86_400.0).run(float("inf"))
    return store


def filled(count: int) -> ObjectStore:
    store, made = memory_store(), memory_store()
    run(container(made), "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    body = made.get(transaction(1).key("main"))
    for number in range(count):
        store.create(transaction(1).key(f"db-{number:05d}"), body)
    return store


@pytest.mark.long
def test_ten_thousand_take_eleven_requests_and_each_dropped_one_two_more() -> None:
    s3 = SimulatedS3(swept(filled(10_000)))
    s3.is_slow = False
    service = container(s3)
    found, figures = s3.measure(lambda: listed(service))
    assert len(found) == 10_000
    assert set(found.values()) == {None}
    assert figures.by_verb == "11 LIST"
    act(service, "drop_database", "db-00007")
    found, figures = s3.measure(lambda: listed(service))
    assert "db-00007" not in found
    assert figures.by_verb == "1 GET 12 LIST"
    _, figures = s3.measure(lambda: listed(service, names=["db-00007", "db-00008", "none"]))
    assert figures.by_verb == "2 GET 3 LIST"


def test_up_to_a_hundred_have_their_details() -> None:
    store = swept(filled(100))
    service = container(store)
    assert set(listed(service).values()) == {"ok"}
    assert set(listed(service, details=False).values()) == {None}
    run(service, "CREATE TABLE t (a)", database="more")
    assert set(listed(service).values()) == {None}
    assert set(listed(service, details=True).values()) == {"ok"}
    assert listed(service, names=["more", "db-00001", "more", "none", "No"]) == {"db-00001": "ok", "more": "ok"}


@pytest.mark.parametrize("names", ["main", [1], ["a"] * 101])
def test_names_are_few(names: object) -> None:
    with pytest.raises(SldbError) as caught:
        act(container(memory_store()), "databases", names=names)
    assert caught.value.code == "bad_request"


def test_without_the_doubts_of_all_each_one_is_looked_at() -> None:
    store = memory_store()
    service = container(store)
    for name in ("a", "b"):
        run(service, "CREATE TABLE t (a)", database=name)
    act(service, "drop_database", "b")
    for info in list(store.list_objects("")):
        if info.key.startswith("_doubt"):
            store.delete(info.key)  # as a function of an earlier version drops it
    assert listed(service, details=False) == {"a": "ok"}
    assert listed(container(swept(store)), details=False) == {"a": None}


STEPS = ["write", "drop", "restore", "branch", "rename", "push", "sweep", "stop drop", "stop branch"]


@pytest.mark.long
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from("ab")), max_size=8))
def test_names_by_list_are_those_that_a_look_at_each_shows(steps: list[tuple[str, str]]) -> None:
    """A name that was not looked at has a database, and one is hidden only if it has none."""
    store = swept(memory_store())
    for step, name in steps:
        _do(store, step, name)
        service = container(store)
        looked_at, by_list = listed(service, all=True), listed(service, all=True, details=False)
        assert {name: state or "ok" for name, state in by_list.items()} == looked_at
        assert set(listed(service, details=False)) == {name for name, state in looked_at.items() if state != "dropped"}


def _do(store: ObjectStore, step: str, name: str) -> None:
    other = {"a": "b", "b": "a"}[name]
    faulty = FaultyStore(store)
    if step.startswith("stop"):
        faulty.plan("create", works, *[lose_request] * 20)
    service = container(faulty, host=host_without_waits())
    try:
        match step.rsplit(maxsplit=1)[-1]:
            case "write":
                run(service, "CREATE TABLE IF NOT EXISTS t (a); INSERT INTO t VALUES (1)", database=name)
            case "drop":
                act(service, "drop_database", name)
            case "restore":
                act(service, "restore", name, at=1)
            case "branch":
                act(service, "branch", name, **{"as": other})
            case "rename":
                act(service, "rename_database", name, to=other)
            case "push":
                act(service, "push_begin", name, upload="0" * 16)
                store.put(f"{name}/uploads/{'0' * 16}/00000-{'0' * 32}", b"x")
            case "sweep":
                swept(store)
    except SldbError:
        pass


def test_a_drop_during_the_list_is_before_or_after_it() -> None:
    store = swept(memory_store())
    run(container(store), "CREATE TABLE t (a)", database="x")
    faulty = FaultyStore(store)
    faulty.plan("list_directories", meanwhile(lambda: act(container(store), "drop_database", "x")))
    assert listed(container(faulty), details=False) == {}


@pytest.mark.parametrize("number", range(2))
def test_a_drop_that_dies_between_doubt_and_commit_hides_nothing(number: int) -> None:
    store = swept(memory_store())
    run(container(store), "CREATE TABLE t (a)", database="x")
    faulty = FaultyStore(store)
    faulty.plan("create", *[works] * number, *[lose_request] * 20)
    with pytest.raises(SldbError):
        act(container(faulty), "drop_database", "x")
    assert listed(container(store), details=False) == {"x": "ok" if number else None}


def test_a_doubt_comes_before_what_it_is_about() -> None:
    store = FaultyStore(swept(memory_store()))
    service = container(store)
    run(service, "CREATE TABLE t (a)", database="x")
    run(service, "INSERT INTO t VALUES (1)", database="x")
    for name, database, arguments in (("branch", "x", {"as": "y"}), ("drop_database", "x", {})):
        store.calls.clear()
        act(service, name, database, **arguments)
        first = next(key for verb, key in store.calls if verb in ("create", "create_from", "assemble"))
        assert first.startswith("_doubt-")
    assert listed(service, details=False) == {"y": "ok"}
    swept(store)
    with patch.object(databases, "DETAILED", 0):
        assert listed(service) == {"y": "ok"}  # until the next day's sweep


def test_a_store_without_an_answer_is_an_error() -> None:
    store = FaultyStore(swept(memory_store()))
    service = container(store)
    doubts.put(store, "x")
    run(service, "CREATE TABLE t (a)", database="x")
    for verb in ("list_directories", "list_objects"):
        store.plan(verb, lose_request)
        with pytest.raises(SldbError) as caught:
            listed(service, details=False)
        assert caught.value.code == "store_error"
