"""Files that appear whole or not at all, with a failure at each step."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sldb import atomic_file

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and directories of POSIX")


def replace(path: Path) -> None:
    atomic_file.replace_with(path, b"new")


def create(path: Path) -> None:
    atomic_file.create_with(path, b"new")


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def failing(*_: object, **__: object) -> Any:
    raise OSError(errno.EIO, "disk on fire")


@pytest.mark.parametrize("write", [replace, create])
def test_a_new_file(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["x"]


@posix
@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("write", [atomic_file.replace_with, atomic_file.create_with])
def test_the_mode_of_a_new_file(tmp_path: Path, write: Any) -> None:
    write(tmp_path / "usual", b"")
    write(tmp_path / "secret", b"", new_mode=0o600)
    assert stat.S_IMODE((tmp_path / "usual").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_file_that_was_there_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(mode)
    atomic_file.replace_with(path, b"new", new_mode=0o666)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


@posix
def test_a_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    replace(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_file_is_not_created_over_another(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        create(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


@posix
def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    create(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"new"
    with pytest.raises(FileExistsError):
        create(tmp_path / "x")
    assert os.listdir(tmp_path) == ["x"]


STEPS = [("write", Path, "write_bytes"), ("mode", Path, "chmod"), ("sync", os, "fsync"), ("rename", Path, "replace")]


@pytest.mark.parametrize(("owner", "name"), [step[1:] for step in STEPS], ids=[step[0] for step in STEPS])
@pytest.mark.parametrize("old", [None, b"old"], ids=["new", "over another"])
def test_a_failure_before_the_rename_leaves_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, old: bytes | None
) -> None:
    path = tmp_path / "x"
    if old is not None:
        path.write_bytes(old)
    monkeypatch.setattr(owner, name, failing)
    with pytest.raises(OSError, match="on fire"):
        replace(path)
    monkeypatch.undo()
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == ({} if old is None else {"x": old})


@posix
def test_a_failure_to_link_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "hardlink_to", failing)
    with pytest.raises(OSError, match="on fire"):
        create(tmp_path / "x")
    assert os.listdir(tmp_path) == []


def test_whatever_stops_the_writer_leaves_what_was(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def stop() -> None:
        with atomic_file.replacing(path) as unfinished:
            unfinished.write_bytes(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


@posix
@pytest.mark.parametrize("write", [replace, create])
def test_content_is_synced_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "x"
    synced: list[tuple[str, bool]] = []
    sync = os.fsync

    def record(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(("directory" if is_directory else "file", path.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    write(path)
    assert synced == [("file", False), ("directory", True)]


@posix
@pytest.mark.parametrize(("number", "raises"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_directory_that_cannot_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raises: bool
) -> None:
    """A file system without that operation is no error; a failing disk is."""
    sync = os.fsync

    def fail_for_directories(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_directories)
    caught = None
    try:
        replace(tmp_path / "x")
    except OSError as error:
        caught = (type(error), error.errno)
    assert caught == ((atomic_file.NotSynced, number) if raises else None)
    assert (tmp_path / "x").read_bytes() == b"new"


def test_where_no_file_can_be(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "directory"):
        with pytest.raises(OSError):  # noqa: PT011 - the text is the system's
            replace(path)
    assert os.listdir(tmp_path) == []
