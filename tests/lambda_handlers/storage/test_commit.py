"""What the answer to a create means, whatever is read back afterwards: never a wrong word, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lambda_handlers.storage import commit
from lambda_handlers.storage.commit import Conflict, Encoding, create_transaction, sender
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.store.protocol import AlreadyExists, NotFound, Refused, StoreError, Unavailable
from lambda_handlers.wire import SldbError
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store

KEY = "main/0000/0000000000000007-0000000000000007.ltx"
PAGE_SIZE = 512
OURS, THEIRS = 0x0100_0000_0000_0001, 0x0100_0000_0000_0003  # one bit apart

Damage = Callable[[bytes], bytes]


def encoding(node_id: int, fill: bytes = b"row") -> Encoding:
    header = Header(PAGE_SIZE, 1, 7, 7, 1_790_000_000_000, node_id)
    return Encoding(header, lambda: [(Pgno(1), fill.ljust(PAGE_SIZE, b"\0"))])


def body_of(node_id: int, fill: bytes = b"row") -> bytes:
    return b"".join(encoding(node_id, fill).pieces())


def flips(body: bytes, bits: range | None = None) -> Iterator[bytes]:
    for bit in bits or range(8 * len(body)):
        damaged = bytearray(body)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bytes(damaged)


def cuts(body: bytes) -> Iterator[bytes]:
    return (body[:length] for length in range(len(body)))


def shows(*bodies: bytes | StoreError) -> list[Callable[[str, Any], bytes]]:
    """What the next reads give instead of the truth."""

    def step(body: bytes | StoreError) -> Callable[[str, Any], bytes]:
        def answer(_key: str, _act: Any) -> bytes:
            if isinstance(body, StoreError):
                raise body
            return body

        return answer

    return [step(body) for body in bodies]


def outcome(store: FaultyStore, ours: Encoding) -> str:
    """yes, or what an error says of it; "lost" where another was first."""
    try:
        create_transaction(store, KEY, ours, sender(store, KEY, ours, PAGE_SIZE))
    except Conflict:
        return "lost"
    except SldbError as error:
        return str(error.details["applied"])
    return "yes"


def after(effect: bool, error: StoreError) -> Callable[[str, Any], Any]:
    """The answer to a create that was carried out, or was not."""

    def step(_key: str, act: Any) -> Any:
        if effect:
            act()
        raise error

    return step


@pytest.mark.parametrize("readings", [1, commit.READINGS], ids=["once", "always"])
@pytest.mark.parametrize("spoiled", [flips, cuts])
def test_a_damaged_reading_of_ones_own_file(spoiled: Callable[[bytes], Iterator[bytes]], readings: int) -> None:
    """Every flipped bit and every length, in the first reading or in all of them."""
    told = set()
    for damaged in spoiled(body_of(OURS)):
        store = FaultyStore(memory_store())
        store.plan("create", after(True, Unavailable(KEY, "no answer")))
        store.plan("get_range", *shows(*[damaged] * readings))
        told.add(outcome(store, encoding(OURS)))
        assert store.store.get(KEY) == body_of(OURS)
        assert len(store.written[KEY]) == 1

    assert told == ({"yes"} if readings == 1 else {"yes", "unknown"} if spoiled is flips else {"unknown"})


@pytest.mark.parametrize("readings", [1, commit.READINGS], ids=["once", "always"])
@pytest.mark.parametrize("spoiled", [flips, cuts])
def test_a_damaged_reading_of_anothers_file(spoiled: Callable[[bytes], Iterator[bytes]], readings: int) -> None:
    """Among them the bit that makes their node id ours."""
    told = set()
    for damaged in spoiled(body_of(THEIRS)):
        store = FaultyStore(memory_store())
        store.store.create(KEY, body_of(THEIRS))
        store.plan("get_range", *shows(*[damaged] * readings))
        told.add(outcome(store, encoding(OURS)))

    assert told == ({"lost"} if readings == 1 else {"lost", "unknown"} if spoiled is flips else {"unknown"})


def test_the_answer_to_another_question_is_none() -> None:
    """A whole, sound file, but of another transaction."""
    other = Encoding(Header(PAGE_SIZE, 1, 6, 6, 1, THEIRS), lambda: [(Pgno(1), bytes(PAGE_SIZE))])
    store = FaultyStore(memory_store())
    store.plan("create", after(True, Unavailable(KEY, "no answer")))
    store.plan("get_range", *shows(b"".join(other.pieces())))

    assert outcome(store, encoding(OURS)) == "yes"


ANSWERS = {
    "no answer": Unavailable(KEY, "no answer"),
    "500": Unavailable(KEY, "answered 500 InternalError"),
    "404 of somebody between": Unavailable(KEY, "answered 404"),
    "404 NoSuchBucket": Refused(KEY, "answered 404 NoSuchBucket"),
    "403": Refused(KEY, "answered 403 AccessDenied"),
    "409 or 412": AlreadyExists(KEY),
}
READINGS: dict[str, Callable[[], list[Any]]] = {
    "sound": list,
    "cut off": lambda: shows(body_of(OURS)[:100]),
    "always cut off": lambda: shows(*[body_of(OURS)[:100]] * 12),
    "always damaged, each time elsewhere": lambda: shows(*list(flips(body_of(OURS), range(640, 660)))[:12]),
    "no answer": lambda: shows(Unavailable(KEY, "no answer")),
    "403": lambda: shows(Refused(KEY, "answered 403 AccessDenied")),
}


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("effect", [True, False], ids=["applied", "not applied"])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("tries", [1, 2, commit.COMMIT_TRIES])
def test_whatever_the_answer_and_the_reading(answer: str, effect: bool, reading: str, tries: int) -> None:
    """The last try of several has the effect, or none has."""
    store = FaultyStore(memory_store())
    steps = [after(False, Unavailable(KEY, "no answer"))] * (tries - 1) + [after(effect, ANSWERS[answer])]
    store.plan("create", *steps)
    # Where nothing was applied by an earlier try, its reading is the truth: there is no object.
    store.plan("get_range", *shows(*[NotFound(KEY)] * (tries - 1)))
    if effect or reading in ("no answer", "403"):
        store.plan("get_range", *READINGS[reading]())
    told = outcome(store, encoding(OURS))

    is_there = bool(store.written[KEY])
    assert told in (("yes" if is_there else "no"), "unknown")
    assert len(store.written[KEY]) <= 1
    if reading in ("sound", "cut off") and effect:
        assert told == "yes"
    if answer in ("403", "404 NoSuchBucket") and not effect and reading == "sound" and tries == 1:
        assert told == "no"


def test_refused_where_another_was_first_it_is_not_applied() -> None:
    """However many tries have got no answer before: the name is taken, for ever."""
    store = FaultyStore(memory_store())

    def other_comes(key: str, act: Any) -> None:
        store.store.create(KEY, body_of(THEIRS))
        raise Refused(key, "answered 403 AccessDenied")

    store.plan("create", after(False, Unavailable(KEY, "no answer")), other_comes)
    assert outcome(store, encoding(OURS)) == "no"


@pytest.mark.parametrize("before", [[], [after(False, Unavailable(KEY, "no answer"))]], ids=["at first", "in doubt"])
@pytest.mark.parametrize("refusal", [Unavailable(KEY, "answered 500"), Refused(KEY, "answered 403")])
def test_what_was_never_asked_for_was_not_applied(before: list[Any], refusal: StoreError) -> None:
    refusal.is_unmade = True
    store = FaultyStore(memory_store())
    store.plan("create", *before, after(False, refusal))
    store.verbs()

    assert outcome(store, encoding(OURS)) == ("unknown" if before else "no")
    assert store.verbs() == (["create", "get_range"] if before else []) + ["create"]


# Large files


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of these tests count as large: not read whole, and encoded while they are sent."""
    monkeypatch.setattr(commit, "WHOLE_BYTES", ltx.HEADER_BYTES)
    monkeypatch.setattr(commit, "STREAM_BYTES", 1)


@pytest.mark.parametrize("verb", ["create", "create_from"])
@pytest.mark.parametrize(("there", "told"), [(OURS, "yes"), (THEIRS, "lost")])
@pytest.mark.usefixtures("large")
def test_of_a_large_file_each_damaged_reading_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch, there: int, told: str, verb: str
) -> None:
    """Every bit of the header, then every bit of the ending, in one of the readings."""
    if verb == "create":
        monkeypatch.setattr(commit, "STREAM_BYTES", 1 << 20)
    body = body_of(there, b"row" if there == OURS else b"other")
    header, seal = body[: ltx.HEADER_BYTES], body[-ltx.SEAL_BYTES :]
    for readings in (*([damaged, seal] for damaged in flips(header)), *([header, damaged] for damaged in flips(seal))):
        store = FaultyStore(memory_store())
        if there == OURS:
            store.plan(verb, after(True, Unavailable(KEY, "no answer")))
        else:
            store.store.create(KEY, body)
        store.plan("get_range", *shows(*readings))

        assert outcome(store, encoding(OURS)) == told
        assert len(store.written[KEY]) == (there == OURS)


@pytest.mark.parametrize("there", [OURS, THEIRS])
@pytest.mark.usefixtures("large")
def test_a_large_file_with_a_damaged_header_is_nobodys(there: int) -> None:
    """Whatever bit it is, and however often it is read."""
    body = body_of(there)
    told = set()
    for damaged in flips(body, range(8 * ltx.HEADER_BYTES)):
        store = FaultyStore(memory_store())
        store.store.create(KEY, damaged)
        told.add(outcome(store, encoding(OURS)))

    assert told == ({"unknown"} if there == OURS else {"lost", "unknown"})


@pytest.mark.usefixtures("large")
def test_another_length_is_another_file() -> None:
    store = FaultyStore(memory_store())
    store.plan("create_from", after(True, Unavailable(KEY, "no answer")))
    store.plan("size", lambda _key, act: act() + 1)

    assert outcome(store, encoding(OURS)) == "yes"


@pytest.mark.usefixtures("large")
def test_the_loser_of_a_race_of_large_files_reads_twice() -> None:
    store = FaultyStore(memory_store())
    store.store.create(KEY, body_of(THEIRS))

    assert outcome(store, encoding(OURS)) == "lost"
    assert store.verbs() == ["create_from"] + 2 * ["get_range", "size", "get_range"]
