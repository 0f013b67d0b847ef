"""Sources: unsound files are refused with clear messages, and reading changes no file."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.storage.log.ltx_run import RunBuffer
from lambda_handlers.wire import SldbError
from sldb.push_pull.source import Source, open_source
from tests.fakes.databases import sqlite_files
from tests.fakes.databases.sqlite_files import PAGE_SIZES, Recipe

PLAIN = Recipe(4096, False, "none", 100, 500, 30, True, False, False, False, 0, 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "in.db"
    sqlite_files.make(path, PLAIN).close()
    return path


def pages_of(source: Source) -> dict[int, bytes]:
    """Return the pages but the first, by number."""
    slots = RunBuffer(source.page_size).pages
    return {pgno: bytes(slot) for pgnos in source.pages(slots) for pgno, slot in zip(pgnos, slots, strict=False)}


def read(path: Path, check: bool = True) -> bytes:
    """Return all pages in order."""
    with open_source(path, check) as source:
        rest = b"".join(pages_of(source).values())
        assert len(source.first_page) + len(rest) == source.size
        return source.first_page + rest


def refusal(path: Path, check: bool = True) -> SldbError:
    with pytest.raises(SldbError) as caught:
        read(path, check)
    assert str(path) in caught.value.message
    return caught.value


def test_every_page_comes_as_it_is(file):
    assert read(file)[4096:] == file.read_bytes()[4096:]


def test_what_only_the_wal_has_counts_and_what_is_not_committed_does_not(tmp_path):
    path = tmp_path / "wal.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES ('committed')")
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES ('never')")
    with open_source(path) as source:
        pages = pages_of(source)
    assert b"committed" in pages[2]
    assert b"never" not in pages[2]
    connection.close()


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_no_writer_changes_the_file_while_it_is_read(tmp_path, mode):
    """With a WAL a writer goes on, and its checkpoints wait; without one it waits itself."""
    path = tmp_path / "in.db"
    writer = apsw.Connection(os.fspath(path))
    writer.pragma("journal_mode", mode)
    writer.execute("CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(900000))")
    writer.execute("PRAGMA wal_checkpoint(truncate)")
    before = path.read_bytes()
    with open_source(path) as source:
        slots = RunBuffer(source.page_size).pages
        rest = b""
        for number, pgnos in enumerate(source.pages(slots)):
            rest += b"".join(slots[: len(pgnos)])
            if number == 0 and mode == "wal":
                writer.execute("UPDATE t SET x = randomblob(900000)")
                (busy, *_) = writer.execute("PRAGMA wal_checkpoint(truncate)").fetchone()
                assert busy
            elif number == 0:
                with pytest.raises(apsw.BusyError):
                    writer.execute("UPDATE t SET x = randomblob(900000)")
        assert number > 0
        assert source.first_page + rest == before
        assert b"".join(pages_of(source).values()) == before[source.page_size :]
    writer.close()


def test_a_file_that_is_replaced_while_it_is_opened(file, monkeypatch):
    other = file.with_name("other.db")
    shutil.copy(file, other)

    def connect(path, **options):
        os.replace(other, file)
        return real(path, **options)

    real = apsw.Connection
    monkeypatch.setattr(apsw, "Connection", connect)
    assert "replaced" in refusal(file).message


def test_a_file_that_another_program_cuts_off_while_it_is_read(file):
    with open_source(file) as source:
        os.truncate(file, 8192)
        with pytest.raises(SldbError, match="truncated while it was read") as caught:
            pages_of(source)
    assert caught.value.code == "bad_request"


def test_a_wal_whose_writer_is_gone(tmp_path):
    """Copied away from under it: no -shm, nobody who has it open. It stays beside the file."""
    path, left = tmp_path / "wal.db", tmp_path / "left.db"
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA journal_mode = wal", "CREATE TABLE t (x)", "INSERT INTO t VALUES ('committed')"):
        connection.execute(statement)
    shutil.copy(path, left)
    shutil.copy(f"{path}-wal", f"{left}-wal")
    connection.close()
    before = left.read_bytes(), Path(f"{left}-wal").read_bytes()
    assert b"committed" in read(left)
    assert (left.read_bytes(), Path(f"{left}-wal").read_bytes()) == before


def test_a_transaction_whose_writer_died_is_taken_back(tmp_path):
    """The file's journal is hot: any program rolls it back on opening."""
    path, left = tmp_path / "journal.db", tmp_path / "left.db"
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("CREATE TABLE t (x)", "INSERT INTO t VALUES ('committed')", "PRAGMA cache_size = 1"):
        connection.execute(statement)
    connection.execute("PRAGMA cache_spill = 1")
    connection.execute("BEGIN")
    connection.execute("UPDATE t SET x = 'neverever'")
    connection.execute("INSERT INTO t VALUES (zeroblob(5000000))")
    shutil.copy(path, left)
    shutil.copy(f"{path}-journal", f"{left}-journal")
    connection.rollback()
    connection.close()
    assert b"committed" in read(left)
    assert read(left) == read(path)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.parametrize("has_wal", [False, True])
def test_nothing_is_left_beside_a_file_and_it_stays_as_it_was(tmp_path, page_size, has_wal):
    path = tmp_path / "in.db"
    recipe = Recipe(page_size, has_wal, "none", 100, 500, 30, False, False, False, False, 0, 1)
    sqlite_files.make(path, recipe).close()
    before = path.read_bytes(), path.stat().st_mtime_ns
    read(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert os.listdir(tmp_path) == ["in.db"]


def test_the_pages_can_be_read_again(file):
    with open_source(file) as source:
        assert pages_of(source) == pages_of(source)


def test_what_is_not_there_or_no_file(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.db").message
    assert "a directory" in refusal(tmp_path).message
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe").message


def test_what_is_no_database(tmp_path):
    path = tmp_path / "text.db"
    path.write_text("hello " * 1000)
    assert "not a SQLite database, or an encrypted one" in refusal(path).message
    path.write_bytes(os.urandom(8192))  # as SQLCipher leaves them
    assert "not a SQLite database, or an encrypted one" in refusal(path).message


@given(st.data())
@settings(max_examples=60)
def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path_factory, data):
    directory = tmp_path_factory.mktemp("cut")
    path = directory / "in.db"
    sqlite_files.make(path, PLAIN).close()
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(1, len(whole) - 1))])
    for check in (True, False):
        assert refusal(path, check).code == "bad_request"


def test_a_damaged_file_is_refused_unless_that_is_wanted(file):
    with file.open("r+b") as damaged:
        damaged.seek(5 * 4096)
        damaged.write(os.urandom(4096))
    error = refusal(file)
    assert "is damaged" in error.message
    assert "--no-check" in error.hint
    assert read(file, check=False)[4096:] == file.read_bytes()[4096:]


LOCKING = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
"""


def test_a_file_that_is_locked(file):
    from sldb.push_pull import source

    writer = subprocess.Popen([sys.executable, "-c", LOCKING, str(file)], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    assert writer.stdout
    assert writer.stdout.readline()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "_BUSY_SECONDS", 0.05)
        assert "locked by another program" in refusal(file).message
    writer.communicate(b"\n")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(file):
    file.chmod(0)
    assert refusal(file).code == "bad_request"
