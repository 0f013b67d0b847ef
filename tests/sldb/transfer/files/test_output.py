"""Files that appear whole or not at all, and what is no file."""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from lambda_handlers.wire import SldbError
from sldb.transfer.files.output import open_output, replacing_file

posix = pytest.mark.skipif(sys.platform == "win32", reason="devices, links and modes of POSIX")


def put(path: Path, data: bytes = b"new") -> None:
    with open_output(path, io.BytesIO()) as out:
        out.write(data)


def test_a_file_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with open_output(path, io.BytesIO()) as out:
        out.write(b"new")
        out.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    put(tmp_path / "x.gz")
    assert gzip.decompress((tmp_path / "x.gz").read_bytes()) == b"new"
    assert sorted(os.listdir(tmp_path)) == ["x", "x.gz"]


def test_a_failure_leaves_what_was(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def fail() -> None:
        with open_output(path, io.BytesIO()) as out:
            out.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("name", [".", "no/such/directory/x"])
def test_what_cannot_be_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(SldbError, match="cannot be written") as caught:
        put(tmp_path / name)
    assert caught.value.code == "bad_request"
    assert caught.value.hint == "no file was created or changed"


@posix
def test_a_failure_after_the_rename_is_reported_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def fail_for_directories(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_directories)
    with pytest.raises(SldbError, match="cannot be written") as caught:
        put(tmp_path / "x")
    assert "the complete file is there" in caught.value.hint
    assert (tmp_path / "x").read_bytes() == b"new"


@posix
def test_a_device_or_pipe_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    """Root would turn /dev/null into a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    put(pipe)
    reader.join(30)
    assert read == [b"new"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    put(Path("/dev/null"))
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with pytest.raises(SldbError, match="is not a regular file"), replacing_file(pipe):
        pass


@posix
def test_a_link_is_followed_and_a_mode_kept(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "x", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    put(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    mask = os.umask(0o027)
    try:
        put(tmp_path / "fresh")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o640
