"""The directory store over a simulated NFS client, which answers look-ups from memory until a directory is opened."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.store import lookups
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import NotFound, PreconditionFailed, Unavailable
from tests.fakes.databases.service import container, run


class NfsClient:
    """What one client remembers: absent names, and the files that names led to. Opening a directory asks the server.

    `opened` counts the requests for attributes of directories."""

    def __init__(self) -> None:
        self.opened = 0
        self._absent: dict[str, set[str]] = {}  # by directory
        self._files: dict[str, dict[str, int]] = {}  # by directory: an open file of before

    def forget(self, directory: str) -> None:
        self.opened += 1
        self._absent.pop(directory, None)
        for descriptor in self._files.pop(directory, {}).values():
            os.close(descriptor)

    def check(self, path: str) -> None:
        """Raise FileNotFoundError if a name on the way is remembered as absent."""
        while (above := os.path.dirname(path)) != path:
            if os.path.basename(path) in self._absent.get(above, ()):
                raise FileNotFoundError(errno.ENOENT, "remembered as absent", path)
            path = above

    def absent(self, path: str) -> None:
        """Remember the first name on the way that is absent."""
        above, name = os.path.split(path)
        if not really_is(above):
            self.absent(above)
        else:
            self._absent.setdefault(above, set()).add(name)

    def file(self, path: str) -> int:
        """Return an open file: the one that the name led to when it was looked up."""
        above, name = os.path.split(path)
        names = self._files.setdefault(above, {})
        if name not in names:
            names[name] = REAL_OPEN(path, os.O_RDONLY)
        return os.dup(names[name])


REAL_OPEN, REAL_STAT, REAL_LSTAT, REAL_SCANDIR = os.open, os.stat, os.lstat, os.scandir
REAL_IO_OPEN = io.open


def really_is(path: Any, kind: Callable[[int], bool] = lambda mode: True) -> bool:
    try:
        return kind(REAL_STAT(path).st_mode)
    except OSError:
        return False


@contextmanager
def seen_by(client: NfsClient) -> Iterator[None]:
    """Let this process look up names as that client does."""

    def looked_up(path: Any, act: Callable[[], Any]) -> Any:
        client.check(os.fspath(path))
        try:
            return act()
        except FileNotFoundError:
            client.absent(os.fspath(path))
            raise

    def open_(path: Any, flags: int, mode: int = 0o777, **how: Any) -> int:
        if flags & os.O_CREAT or not really_is(path, stat.S_ISDIR):
            return REAL_OPEN(path, flags, mode, **how)  # the server decides about what is made
        client.check(os.fspath(path))
        client.forget(os.fspath(path))
        return REAL_OPEN(path, flags, mode, **how)

    def io_open(path: Any, mode: str = "r", *more: Any, **how: Any) -> Any:
        if isinstance(path, int) or mode != "rb":
            return REAL_IO_OPEN(path, mode, *more, **how)
        return looked_up(path, lambda: os.fdopen(client.file(os.fspath(path)), "rb"))

    def scandir(path: Any) -> Any:
        client.check(os.fspath(path))
        client.forget(os.fspath(path))
        return REAL_SCANDIR(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", open_)
        patch.setattr(io, "open", io_open)
        patch.setattr(os, "stat", lambda path, **how: looked_up(path, lambda: REAL_STAT(path, **how)))
        patch.setattr(os, "lstat", lambda path, **how: looked_up(path, lambda: REAL_LSTAT(path, **how)))
        patch.setattr(os, "scandir", scandir)
        yield


@contextmanager
def without_refresh() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookups, "open_anew", lambda directory, root: None)
        yield


READS: dict[str, Callable[[DirectoryStore], object]] = {
    "get": lambda store: store.get("db/0000/2"),
    "get_with_tag": lambda store: store.get_with_tag("db/0000/2")[0],
    "get_range": lambda store: store.get_range("db/0000/2", 0, 9),
    "info": lambda store: store.info("db/0000/2").size,
    "chunks": lambda store: b"".join(store.chunks("db/0000/2")),
}


@pytest.mark.parametrize("made_before", ["", "db/head", "db/0000/1"])  # how much of the way there is
@pytest.mark.parametrize("read", READS)
def test_what_was_absent_a_moment_ago_is_found_once_it_is_there(tmp_path: Path, made_before: str, read: str) -> None:
    store, other, client = DirectoryStore(tmp_path), DirectoryStore(tmp_path), NfsClient()
    if made_before:
        other.create(made_before, b"before")
    with seen_by(client), pytest.raises(NotFound):
        READS[read](store)
    other.create("db/0000/2", b"body")
    with seen_by(client):
        assert READS[read](store) in (b"body", 4)
        assert client.opened


def test_the_simulated_client_remembers_what_is_not_confirmed(tmp_path: Path) -> None:
    store, client = DirectoryStore(tmp_path), NfsClient()
    store.create("db/0000/1", b"first")
    with seen_by(client), without_refresh(), pytest.raises(NotFound):
        store.get("db/0000/2")
    store.create("db/0000/2", b"body")
    with seen_by(client), without_refresh(), pytest.raises(NotFound):
        store.get("db/0000/2")
    with seen_by(client):
        assert store.get("db/0000/2") == b"body"


@pytest.mark.parametrize("prefix", ["", "db/", "db/0000/"])
def test_a_listing_shows_what_another_client_has_made(tmp_path: Path, prefix: str) -> None:
    store, other, client = DirectoryStore(tmp_path), DirectoryStore(tmp_path), NfsClient()
    tmp_path.joinpath("other").mkdir()
    with seen_by(client):
        assert [info.key for info in store.list_objects(prefix)] == []
        with pytest.raises(NotFound):
            store.get("db/0000/2")
    other.create("db/0000/2", b"body")
    with seen_by(client):
        assert [info.key for info in store.list_objects(prefix)] == ["db/0000/2"]
        assert store.list_directories("") == ["db"]


def test_what_is_replaced_is_compared_with_the_newest_version(tmp_path: Path) -> None:
    store, other, client = DirectoryStore(tmp_path), DirectoryStore(tmp_path), NfsClient()
    first = store.create("db/head.json", b"1")
    with seen_by(client):
        assert store.get("db/head.json") == b"1"  # the client remembers the file
    other.replace("db/head.json", b"2", first)
    with seen_by(client):
        with pytest.raises(PreconditionFailed):
            store.replace("db/head.json", b"3", first)
        assert store.get_with_tag("db/head.json")[0] == b"2"


def test_what_exists_costs_no_further_request(tmp_path: Path) -> None:
    store, client = DirectoryStore(tmp_path), NfsClient()
    store.create("db/0000/1", b"body")
    with seen_by(client):
        store.get("db/0000/1")
    assert client.opened == 0


@pytest.mark.parametrize("vanishes", [1, 2])
def test_a_file_that_vanished_under_its_reader_is_looked_up_once_more(tmp_path: Path, vanishes: int) -> None:
    store, stale = DirectoryStore(tmp_path), [errno.ESTALE] * vanishes
    store.create("db/0000/1", b"body")

    def read_bytes(path: Path) -> bytes:
        if stale:
            raise OSError(stale.pop(), "Stale file handle")
        return b"body"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", read_bytes)
        if vanishes == 1:
            assert store.get("db/0000/1") == b"body"
        else:
            with pytest.raises(Unavailable):
                store.get("db/0000/1")


def test_another_error_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, answers = DirectoryStore(tmp_path), [OSError(errno.EIO, "Input/output error")]
    store.create("db/0000/1", b"body")

    def read_bytes(path: Path) -> bytes:
        if answers:
            raise answers.pop()
        return b"body"

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    with pytest.raises(Unavailable, match="Input/output error"):
        store.get("db/0000/1")


def test_a_directory_in_the_place_of_a_file_of_before_is_found(tmp_path: Path) -> None:
    """The client takes the name on the way for a file until the server was asked."""
    store, remembered = DirectoryStore(tmp_path), [NotADirectoryError(errno.ENOTDIR, "Not a directory")]
    store.create("db/0000/1", b"body")

    def read_bytes(path: Path) -> bytes:
        if remembered:
            raise remembered.pop()
        return b"body"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", read_bytes)
        assert store.get("db/0000/1") == b"body"


def test_each_directory_on_the_way_is_opened_and_none_above_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    opened: list[Path] = []
    real = lookups._open

    def open_(directory: Path) -> None:
        opened.append(directory)
        real(directory)

    monkeypatch.setattr(lookups, "_open", open_)
    lookups.open_anew(root / "db" / "0000", root)
    assert opened == [root / "db" / "0000", root / "db", root, root / "db", root / "db" / "0000"]
    opened.clear()
    (root / "db").mkdir(parents=True)
    lookups.open_anew(root / "db" / "0000", root)
    assert opened == [root / "db" / "0000", root / "db", root / "db" / "0000"]


def test_no_directory_stays_open(tmp_path: Path) -> None:
    before = os.dup(0)
    os.close(before)
    for _ in range(3):
        lookups.open_anew(tmp_path, tmp_path)
    after = os.dup(0)
    os.close(after)
    assert after == before


def test_the_directories_that_another_client_has_made_are_listed(tmp_path: Path) -> None:
    store, other, client = DirectoryStore(tmp_path), DirectoryStore(tmp_path), NfsClient()
    with seen_by(client):
        assert store.list_directories("db/") == []
    other.create("db/0000/2", b"body")
    with seen_by(client):
        assert store.list_directories("db/") == ["0000"]


def test_a_warm_reader_sees_a_commit_of_another_client(tmp_path: Path) -> None:
    client = NfsClient()
    with closing(container(DirectoryStore(tmp_path))) as reader, closing(container(DirectoryStore(tmp_path))) as writer:
        run(writer, "CREATE TABLE t (a)")
        for number in range(3):
            with seen_by(client):
                assert run(reader, "SELECT count(*) FROM t").results[0].rows == [(number,)]
                assert run(reader, "SELECT count(*) FROM t").results[0].rows == [(number,)]
            run(writer, "INSERT INTO t VALUES (1)")
