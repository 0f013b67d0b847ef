"""Compaction: the files, page maps, atlas and head after a pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from lambda_handlers.storage.commit import PageChanges
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.keys import LtxName, atlas_key, head_key, transaction
from lambda_handlers.storage.pages import atlas
from lambda_handlers.storage.pages.head import Head
from lambda_handlers.storage.publishing import HEAD_EVERY
from lambda_handlers.storage.upkeep.compaction import MAX_FILES_ABOVE_BASE, cheapest_runs
from lambda_handlers.storage.upkeep.maintenance import FULL_PASS_SECONDS
from lambda_handlers.store.protocol import NotFound, ObjectInfo
from tests.lambda_handlers.storage.upkeep.passes import DAY, World

ROWS_OF_A_KILOBYTE = ", ".join(["(randomblob(1000))"] * 3000)


def test_after_a_pass_few_files_are_read(world: World) -> None:
    world.writer.write("CREATE TABLE big(x)", "INSERT INTO big VALUES (randomblob(900000))")
    world.writer.write("CREATE TABLE t(n INTEGER PRIMARY KEY, body)")
    world.write(130)
    before = world.writer.image()
    (report,) = world.maintain()
    assert report["merged"] > 0
    assert report["snapshot"] is None

    cold = world.engine()
    asked: list[tuple[str, str]] = []
    world.store.before = lambda verb, key: asked.append((verb, key))
    cold.replica.refresh()
    world.store.before = lambda _verb, _key: None

    assert cold.image() == before
    assert "list_objects" not in [verb for verb, _ in asked]
    assert len(asked) <= 1 + 1 + HEAD_EVERY + MAX_FILES_ABOVE_BASE  # the head, the base's map, the next ones, the rest


LARGE = ("CREATE TABLE big(n INTEGER PRIMARY KEY, x)", f"INSERT INTO big(x) VALUES {ROWS_OF_A_KILOBYTE}")
COLD_ROW = 1 + 1 + HEAD_EVERY + 1  # requests: the head, the atlas, the next transactions, the row
A_ROW = "SELECT x FROM big WHERE n = 1700"


@pytest.fixture
def bound(world: World) -> World:
    """One whose files have an atlas."""
    world.writer.write(*LARGE)
    world.write(130)
    world.maintain()
    return world


def cold_row(world: World) -> tuple[object, list[str]]:
    """What a cold reader finds, and the verbs that it asks with."""
    cold, asked = world.engine(), []
    world.store.before = lambda verb, _key: asked.append(verb)
    cold.replica.refresh()
    (row,) = cold.rows(A_ROW)
    world.store.before = lambda _verb, _key: None
    assert cold.image() == world.writer.image()
    return row, asked


def head_files(world: World) -> list[tuple[bool, bool]]:
    head = Head.decode(world.store.get(head_key("main")), "main")
    assert head is not None
    return [(file.is_mapped, file.in_atlas) for file in head.files]


def test_after_a_pass_a_cold_row_takes_few_requests(bound: World) -> None:
    """The head; the next transaction and the atlas; and the row."""
    row, asked = cold_row(bound)
    assert (row,) == tuple(bound.writer.rows(A_ROW))
    assert sorted(asked) == ["get", *["get_range"] * (HEAD_EVERY + 1), "get_with_tag"]


def test_what_writers_put_keeps_telling_of_the_atlas(bound: World) -> None:
    before = head_files(bound)
    assert len(before) > 1
    assert {in_atlas for _, in_atlas in before} == {True}
    bound.write(40)
    after = head_files(bound)
    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert not any(in_atlas for _, in_atlas in after[len(before) :])
    _, asked = cold_row(bound)
    assert asked.count("get") == 1  # the head has copies of the others


def test_little_that_is_new_makes_no_new_atlas(bound: World) -> None:
    """An atlas is as large as the page maps of all that is there."""
    before = bound.store.get(atlas_key("main"))
    bound.clock.time += 60
    bound.writer.write("UPDATE big SET x = 1 WHERE n = 1")
    bound.put_work_item()
    bound.maintain()
    assert bound.store.get(atlas_key("main")) == before
    assert [in_atlas for _, in_atlas in head_files(bound)][-1] is False
    cold_row(bound)


def test_much_that_is_new_makes_one(bound: World) -> None:
    bound.clock.time += 60
    bound.writer.write("UPDATE big SET x = randomblob(1000) WHERE n % 5 = 0")
    bound.maintain()
    assert {in_atlas for _, in_atlas in head_files(bound)} == {True}
    assert len(cold_row(bound)[1]) == COLD_ROW


def test_a_small_chain_needs_none(world: World) -> None:
    world.writer.write("CREATE TABLE big(x)", "INSERT INTO big VALUES (randomblob(900000))")
    world.write(130)
    world.maintain()
    with pytest.raises(NotFound):
        world.store.get(atlas_key("main"))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _body: b"", id="empty"),
        pytest.param(lambda body: body[:40], id="cut short"),
        pytest.param(lambda body: body[:-1000], id="the last map cut short"),
        pytest.param(lambda body: body[:200] + bytes([body[200] ^ 1]) + body[201:], id="a bit flipped"),
        pytest.param(lambda _body: atlas.encode({transaction(4711): b"?"}, "main"), id="of other files"),
        pytest.param(None, id="gone"),
    ],
)
def test_an_atlas_that_says_nothing_costs_requests_only(bound: World, spoil: Callable[[bytes], bytes] | None) -> None:
    key = atlas_key("main")
    if spoil is None:
        bound.store.delete(key)
    else:
        bound.store.put(key, spoil(bound.store.get(key)))
    row, asked = cold_row(bound)
    assert (row,) == tuple(bound.writer.rows(A_ROW))
    assert COLD_ROW < len(asked) <= COLD_ROW + 1 + MAX_FILES_ABOVE_BASE


def test_a_snapshot_comes_when_the_rest_weighs_as_much(world: World) -> None:
    world.write(40)
    (report,) = world.maintain()
    assert report["snapshot"] == 40
    assert LtxName(9, 1, 40) in world.names()
    world.write(1)
    (report,) = world.maintain("main")
    assert report["snapshot"] is None
    assert world.images(40, 41, 7)[41] == world.writer.image()


def test_what_is_little_waits_until_it_is_due(world: World) -> None:
    world.writer.write("CREATE TABLE big(x)", "INSERT INTO big VALUES (randomblob(900000))")
    world.write(7)
    world.maintain()
    world.write(7)
    world.put_work_item()
    world.clock.time += 60
    (report,) = world.maintain()
    assert report["merged"] == 0
    world.clock.time += FULL_PASS_SECONDS
    (report,) = world.maintain()
    assert report["merged"] > 0


def test_a_size_that_a_list_tells_wrongly_is_not_passed_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is `_are_sized` in Compactor.run."""
    world.writer.write("CREATE TABLE b(x)", "INSERT INTO b VALUES (randomblob(100000))")
    world.maintain("main")
    world.write()
    wrong, real, real_size = transaction(2).key("main"), world.store.list_objects, world.store.size

    def damaged(prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        return (replace(info, size=info.size + (info.key == wrong)) for info in real(prefix, after))

    def head() -> Head:
        found = Head.decode(world.store.get(head_key("main")), "main")
        assert found is not None
        return found

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "list_objects", damaged)
        patched.setattr(world.store, "size", lambda key: real_size(key) + (key == wrong))  # as wrong, by chance
        world.maintain("main")
    assert head().txid == 1
    world.maintain("main")
    assert head().txid == 2
    sizes = {info.key: info.size for info in real("main/")}
    assert [file.size for file in head().files] == [sizes[file.name.key("main")] for file in head().files]


def test_a_head_that_says_the_same_is_not_put_again(world: World) -> None:
    world.write(3)
    world.maintain("main")
    before = world.store.get(head_key("main"))
    world.clock.time += FULL_PASS_SECONDS
    world.maintain("main")
    assert world.store.get(head_key("main")) == before


def test_a_head_that_a_writer_put_meanwhile_is_not_set_back(world: World) -> None:
    world.write(20)

    def interfere(verb: str, key: str) -> None:
        if verb == "get_with_tag" and key == head_key("main"):
            world.store.before = lambda _verb, _key: None
            world.write(13)  # and its writer puts a head at 33

    world.store.before = interfere
    world.maintain()

    head = Head.decode(world.store.get(head_key("main")), "main")
    assert head is not None
    assert head.txid == 33
    cold = world.engine()
    cold.replica.refresh()
    assert cold.image() == world.writer.image()


@pytest.mark.parametrize("has_head", [True, False])
def test_a_list_that_hides_the_newest_transaction_makes_no_head_that_denies_it(
    world: World, monkeypatch: pytest.MonkeyPatch, has_head: bool
) -> None:
    world.write(20)  # the last head is that of 18
    newest, real = transaction(20).key("main"), world.store.list_objects
    if not has_head:
        world.store.delete(head_key("main"))
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "list_objects", lambda *of: (info for info in real(*of) if info.key != newest))
        world.maintain()

    if has_head:
        head = Head.decode(world.store.get(head_key("main")), "main")
        assert head is not None
        assert (head.txid, head.folds_from, head.checked_at) == (19, 19, 0.0)  # its files, and no claim
    else:
        with pytest.raises(NotFound):
            world.store.get(head_key("main"))
    cold = world.engine()
    cold.replica.refresh()
    assert cold.image() == world.writer.image()


def test_a_head_costs_a_pass_one_request_for_the_next_transaction(world: World) -> None:
    world.write(20)
    asked: list[tuple[str, str]] = []
    world.store.before = lambda verb, key: asked.append((verb, key))
    world.maintain()
    world.store.before = lambda _verb, _key: None
    assert asked.count(("size", transaction(21).key("main"))) == 1
    assert [verb for verb, key in asked if key == head_key("main")] == ["get_with_tag", "replace"]


def test_a_missing_page_map_is_made(world: World) -> None:
    world.writer.write("CREATE TABLE big(x)", "INSERT INTO big VALUES (randomblob(900000))")
    world.store.delete_many([transaction(1).page_map_key("main")])
    (report,) = world.maintain()
    assert report["page_maps"] == 1
    cold = world.engine()
    cold.replica.refresh()
    assert [layer.is_mapped for layer in cold.replica._pages.layers] == [True]
    assert cold.image() == world.writer.image()


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_damage_is_told_and_nothing_is_made_of_it(world: World, damage: str) -> None:
    world.write(40)
    key = transaction(39).key("main")
    body = world.store.get(key)
    world.store._store.delete(key)
    if damage != "gone":
        world.store.create(key, body[:-30] if damage == "cut" else body[:150] + bytes([body[150] ^ 1]) + body[151:])
    made: list[str] = []
    world.store.before = lambda verb, at: made.append(at) if verb.startswith("create") and at.endswith("ltx") else None
    (report,) = world.maintain()
    assert key in report["error"]
    assert [name for name in made if world_has(world, name)] == []


def world_has(world: World, key: str) -> bool:
    try:
        return bool(world.store._store.get(key))
    except NotFound:
        return False


def test_a_dropped_database_leaves_an_empty_snapshot(world: World) -> None:
    world.write(5)
    replica = world.writer.replica
    replica.refresh()
    replica.commit(PageChanges(replica.page_size, 0, tuple))
    world.maintain("main")
    assert LtxName(9, 1, 6) in world.names()
    for _ in range(4):
        world.clock.time += DAY
        world.maintain("main")
    assert world.names() == [LtxName(9, 1, 6)]
    cold = world.engine()
    cold.replica.refresh()
    assert (cold.replica.txid, cold.replica.page_count) == (6, 0)
    assert cold.write("CREATE TABLE again(x)", page_size=8192) == 7


def test_another_page_size_begins_anew(world: World) -> None:
    """As a push does; what was before has pages of no use."""
    world.write(20)
    replica = world.writer.replica
    replica.refresh()
    replica.commit(PageChanges(512, 3, lambda: ((ltx.Pgno(n), bytes([n]) * 512) for n in (1, 2, 3))))
    world.maintain("main")
    cold = world.engine()
    cold.replica.refresh()
    assert cold.image() == b"".join(bytes([n]) * 512 for n in (1, 2, 3))
    assert len(world.images(20)[20]) % 4096 == 0


@pytest.mark.parametrize(
    ("sizes", "most", "runs"),
    [
        ([], 4, []),
        ([5], 4, [(0, 1)]),
        ([9, 9, 9, 9], 4, [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ([100, 9, 3, 1, 1, 1], 4, [(0, 1), (1, 2), (2, 3), (3, 6)]),
        ([1, 1, 100, 1, 1], 4, [(0, 2), (2, 3), (3, 4), (4, 5)]),
    ],
)
def test_the_cheapest_neighbours_are_merged(sizes: list[int], most: int, runs: list[tuple[int, int]]) -> None:
    assert cheapest_runs(sizes, most) == runs
