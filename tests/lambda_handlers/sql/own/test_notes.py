"""The note of a transaction: written by SQLite, read from the pages without it."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.sql.own import note_page, notes
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.wire.note import Note

TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=500)
NOTES = st.builds(Note, TEXT | st.none(), TEXT | st.none(), TEXT.map(lambda text: text[:200]) | st.none())


def pages_of(txid: int, note: Note, page_size: int = 4096, encoding: str = "UTF-8", reserve: int = 0):
    """Return the pages of a database, and that of the note, with other tables around it."""
    connection = apsw.Connection(":memory:")
    connection.execute(f"PRAGMA page_size = {page_size}; PRAGMA encoding = '{encoding}'")
    if reserve:
        connection.reserve_bytes("main", reserve)
    connection.execute("BEGIN; CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(9000))")
    notes.record(connection, 1, Note("an older one" * 40))
    root = notes.record(connection, txid, note)
    connection.execute("COMMIT")
    image = connection.serialize("main")
    connection.close()
    pages = {Pgno(at // page_size + 1): image[at : at + page_size] for at in range(0, len(image), page_size)}
    return pages, Pgno(root)


@given(st.integers(1, 2**62), NOTES, st.sampled_from([512, 1024, 4096, 65536]), st.sampled_from(["UTF-8", "UTF-16le"]))
def test_a_note_is_read_from_its_page(txid, note, page_size, encoding):
    pages, root = pages_of(txid, note, page_size, encoding)
    assert note_page.read(pages.get, root, txid) == note
    assert note_page.read(pages.get, root, txid + 1) is None


@given(st.data())
def test_damaged_pages_hold_no_note_or_the_same(data):
    note = Note("m" * data.draw(st.integers(1, 500)), "import people.csv")
    pages, root = pages_of(7, note, 512)
    pgno = data.draw(st.sampled_from(sorted(pages)))
    page = bytearray(pages[pgno])
    for at in data.draw(st.lists(st.integers(0, 511), min_size=1, max_size=4)):
        page[at] ^= data.draw(st.integers(1, 255))
    pages[pgno] = bytes(page)
    assert note_page.read(pages.get, root, 7) in (None, note)
    del pages[pgno]
    assert note_page.read(pages.get, root, 7) in (None, note)


def test_a_damaged_note_is_none():
    pages, root = pages_of(7, Note("message"))
    pages[root] = pages[root].replace(b'message":"message', b'message":"massage')
    assert note_page.read(pages.get, root, 7) is None


@pytest.mark.parametrize(
    "page", [b"", bytes(4096), b"\x0d" + bytes(2) + b"\0\1" + bytes(4091), b"\x0d" + b"\xff" * 4095]
)
def test_other_pages_hold_no_note(page):
    pages = {Pgno(1): bytes(4096), Pgno(2): page}
    assert note_page.read(pages.get, Pgno(2), 7) is None


def test_the_text_is_json():
    assert notes.encode(Note("é", None, "x" * 300)) == ('{"message":"é","caller":"' + "x" * 200 + '"}').encode()
    assert notes.decode(b"[1]") is None
    assert notes.decode(b"\xff") is None
