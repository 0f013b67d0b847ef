"""The note in the free bytes of page 1: SQLite neither sees nor misses them."""

from __future__ import annotations

import apsw
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.sql.own import first_page_note, note_page
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.wire.note import Note

NOTE = Note(caller="jwt:" + "n" * 64)
PAGE_SIZES = st.sampled_from([512, 1024, 4096, 65536])
COLUMNS = st.lists(st.integers(1, 300), max_size=12)  # the length of a name in each table's schema


def image_of(columns: list[int], page_size: int = 4096, reserve: int = 0) -> bytes:
    """Return a database with a table for each, so that its schema has some length."""
    connection = apsw.Connection(":memory:")
    connection.execute(f"PRAGMA page_size = {page_size}")
    if reserve:
        connection.reserve_bytes("main", reserve)
    connection.execute("BEGIN; CREATE TABLE t (a); INSERT INTO t VALUES ('kept')")
    for number, length in enumerate(columns):
        connection.execute(f"CREATE TABLE t{number} ({'c' * length})")
    for number in range(0, len(columns), 2):  # leaves free blocks between the cells
        connection.execute(f"DROP TABLE t{number}")
    connection.execute("COMMIT")
    image = connection.serialize("main")
    connection.close()
    return image


def dumped(image: bytes) -> list[object]:
    connection = apsw.Connection(":memory:")
    connection.deserialize("main", image)
    sound = connection.execute("PRAGMA integrity_check").fetchall()
    found = [sound, connection.execute("SELECT * FROM sqlite_schema").fetchall()]
    connection.execute("CREATE TABLE another (a); INSERT INTO another SELECT * FROM t; DROP TABLE t")
    found += [
        connection.execute("PRAGMA integrity_check").fetchall(),
        connection.execute("SELECT * FROM another").fetchall(),
    ]
    connection.close()
    return found


@given(st.integers(1, 2**62), COLUMNS, PAGE_SIZES, st.sampled_from([0, 32]))
def test_a_note_is_read_again_and_sqlite_finds_nothing(txid, columns, page_size, reserve):
    image = image_of(columns, page_size, reserve)
    page = first_page_note.with_note(image[:page_size], NOTE, txid)
    if page is None:
        return
    assert len(page) == page_size
    assert dumped(page + image[page_size:]) == dumped(image)
    assert first_page_note.read(page, txid) == NOTE
    assert first_page_note.read(page, txid + 1) is None
    assert note_page.read({Pgno(1): page}.get, Pgno(1), txid) == NOTE


def test_a_page_that_its_schema_fills_has_no_room():
    """Of all lengths of a schema up to two pages of 512 bytes, some leave too little; none is damaged."""
    found = set()
    for length in range(1, 400):
        image = image_of([1, length], 512)
        page = first_page_note.with_note(image[:512], NOTE, 7)
        found.add(page is not None)
        assert page is None or dumped(page + image[512:]) == dumped(image)
    assert found == {True, False}


def test_schemas_of_many_tables_have_room():
    """Their first page has pointers to others only."""
    image = image_of([200] * 100)
    assert first_page_note.with_note(image[:4096], NOTE, 7) is not None


@given(st.binary(max_size=512))
@example(bytes(512))
@example(bytes(100) + b"\x0d" + b"\xff" * 411)
def test_other_pages_have_no_room_and_no_note(page):
    assert first_page_note.read(page, 7) is None
    written = first_page_note.with_note(page, NOTE, 7)
    assert written is None or first_page_note.read(written, 7) == NOTE


@given(st.data())
def test_a_damaged_note_is_none_or_the_same(data):
    page = first_page_note.with_note(image_of([20])[:4096], NOTE, 7)
    assert page is not None
    damaged = bytearray(page)
    for at in data.draw(st.lists(st.integers(100, 400), min_size=1, max_size=4)):
        damaged[at] ^= data.draw(st.integers(1, 255))
    assert first_page_note.read(bytes(damaged), 7) in (None, NOTE)
