"""The copy of the access document: its age, what it costs, and what happens when it cannot be read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.access.callers import KEY, Document, Entry
from lambda_handlers.access.directory import UNKNOWN_SECONDS, Directory
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.stores.faulty import Act, FaultyStore, Step, lose_request, refuse
from tests.fakes.stores.memory import memory_store

MAX_AGE_SECONDS = 20.0
ADA, EVE = "token:" + "a" * 26, "token:" + "b" * 26
ENTRY = Entry("ada", frozenset({"main"}), True, 1_700_000_000_000)
KEY_ID = "0a0b0c0d"


class Site:
    """A directory over a store whose document is written as an operator does."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.faulty = FaultyStore(memory_store())
        self.store = MeteredStore(self.faulty)
        self.directory = Directory(self.store, self.clock.now, MAX_AGE_SECONDS)

    def write(self, document: Document | bytes) -> None:
        self.faulty.put(KEY, document if isinstance(document, bytes) else document.encode())

    def sleep(self, seconds: float) -> None:
        self.clock.time += seconds

    def code(self, identity: str = ADA) -> str:
        """Return what a lookup ends with."""
        try:
            return "ok" if self.directory.find(identity) else "unknown"
        except SldbError as error:
            return error.code


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_caller_is_found(site: Site) -> None:
    site.write(Document((KEY_ID,)).with_entry(ADA, ENTRY))
    assert site.directory.find(ADA) == ENTRY
    assert site.directory.find(EVE) is None
    assert site.directory.accepts_key(KEY_ID)
    assert not site.directory.accepts_key("00000000")


def test_without_a_document_there_is_no_caller(site: Site) -> None:
    assert site.code() == "unknown"
    assert not site.directory.accepts_key(KEY_ID)


def test_a_copy_serves_until_its_age(site: Site) -> None:
    site.write(Document().with_entry(ADA, ENTRY))
    assert site.code() == "ok"
    site.write(Document().with_entry(ADA, replace(ENTRY, revoked_ms=1)))
    site.sleep(MAX_AGE_SECONDS - 0.001)
    assert site.directory.find(ADA) == ENTRY
    assert site.store.requests == 1
    site.sleep(0.001)
    found = site.directory.find(ADA)
    assert found is not None
    assert found.revoked_ms == 1


@given(st.lists(st.floats(-40, 40), max_size=12))
def test_no_lookup_is_answered_from_an_older_document(steps: list[float]) -> None:
    """The document tells when it was written. Steps of the clock forward and backward."""
    site = Site()
    for step in steps:
        site.sleep(step)
        written_at = site.clock.time
        site.write(Document().with_entry(ADA, replace(ENTRY, created_ms=int(written_at * 1000))))
        found = site.directory.find(ADA)
        assert found is not None
        assert written_at - found.created_ms / 1000 < MAX_AGE_SECONDS + 0.001


def test_a_clock_that_is_set_back_makes_a_copy_too_old(site: Site) -> None:
    site.write(Document().with_entry(ADA, ENTRY))
    assert site.code() == "ok"
    site.write(Document())
    site.sleep(-0.001)
    assert site.code() == "unknown"


def test_the_age_counts_from_before_the_reading(site: Site) -> None:
    site.write(Document().with_entry(ADA, ENTRY))

    def slowly(key: str, act: Act) -> object:
        answer = act()
        site.sleep(15.0)
        return answer

    site.faulty.plan("get_with_tag", slowly)
    assert site.code() == "ok"
    site.write(Document())
    site.sleep(5.0)
    assert site.code() == "unknown"


def test_a_document_that_stays_costs_one_head_at_a_time(site: Site) -> None:
    site.write(Document().with_entry(ADA, ENTRY))
    for _ in range(10):
        assert site.code() == "ok"
        site.sleep(MAX_AGE_SECONDS)
    assert site.faulty.verbs() == ["put", "get_with_tag", *["info"] * 9]
    site.write(Document().with_entry(ADA, replace(ENTRY, name="other")))
    assert site.code() == "ok"
    assert site.faulty.verbs() == ["put", "info", "get_with_tag"]


def test_a_new_caller_is_known_at_once(site: Site) -> None:
    site.write(Document())
    assert site.code() == "unknown"
    site.write(Document((KEY_ID,)).with_entry(ADA, ENTRY))  # within the same second
    assert site.code() == "ok"


def test_a_caller_without_an_entry_costs_one_request_each_time(site: Site) -> None:
    site.write(Document().with_entry(ADA, ENTRY))
    for _ in range(3):
        assert site.code(EVE) == "unknown"
    assert site.faulty.verbs() == ["put", "get_with_tag", "info", "info"]


def test_keys_that_strangers_name_cost_one_request_a_second(site: Site) -> None:
    site.write(Document((KEY_ID,)).with_entry(ADA, ENTRY))
    for _ in range(1000):
        assert not site.directory.accepts_key("00000000")
        site.sleep(0.01)
    assert site.store.requests <= 11 + 2  # the writing, and the reading of another content


def test_a_new_signing_key_is_known_at_once(site: Site) -> None:
    site.write(Document())
    assert not site.directory.accepts_key(KEY_ID)
    site.write(Document((KEY_ID,)))
    assert not site.directory.accepts_key(KEY_ID)  # within the same second
    site.sleep(UNKNOWN_SECONDS)
    assert site.directory.accepts_key(KEY_ID)


@pytest.mark.parametrize("fault", [lose_request, refuse])
def test_what_cannot_be_read_is_an_error_and_no_older_copy_serves(site: Site, fault: Step) -> None:
    site.write(Document().with_entry(ADA, ENTRY))
    assert site.code() == "ok"
    site.sleep(MAX_AGE_SECONDS)
    site.faulty.plan("info", fault, fault)
    assert [site.code(), site.code(), site.code()] == ["store_error", "store_error", "ok"]


def test_a_document_that_is_not_understood_is_an_error_until_it_is_mended(site: Site) -> None:
    site.write(Document().with_entry(ADA, ENTRY))
    assert site.code() == "ok"
    site.write(b'{"version": 2}')
    assert site.code() == "ok"
    site.sleep(MAX_AGE_SECONDS)
    assert [site.code(), site.code()] == ["corrupt", "corrupt"]
    site.write(Document().with_entry(ADA, ENTRY))
    assert site.code() == "ok"


def test_a_damaged_entry_is_an_error_of_its_caller(site: Site) -> None:
    site.write(Document((), {ADA: {"name": "ada"}, EVE: ENTRY.encode()}))
    assert [site.code(ADA), site.code(EVE)] == ["corrupt", "ok"]


def test_a_document_that_is_deleted_has_no_callers(site: Site) -> None:
    site.write(Document().with_entry(ADA, ENTRY))
    assert site.code() == "ok"
    site.faulty.delete(KEY)
    site.sleep(MAX_AGE_SECONDS)
    assert site.code() == "unknown"
