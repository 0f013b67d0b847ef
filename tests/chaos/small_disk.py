"""A small file system, mounted at any place: a full disk for a limited time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


def _run(*command: str) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode


def _may_mount() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as directory:
        if _run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory) != 0:
            return False
        return _run("umount", directory) == 0


needs_mount = pytest.mark.skipif(not _may_mount(), reason="mounting a small disk takes root, on Linux")


@contextmanager
def small_disk(directory: Path, size_kib: int) -> Iterator[Path]:
    """Mount it over a directory. Its files are hidden meanwhile; open files stay open."""
    directory.mkdir(parents=True, exist_ok=True)
    assert _run("mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(directory)) == 0
    try:
        yield directory
    finally:
        assert _run("umount", "--lazy", str(directory)) == 0  # also where somebody has a file of it open


def fill(directory: Path, but_kib: int) -> Path:
    """Write a file that takes all room but so much; remove it to free the room."""
    ballast = directory / ".ballast"
    status = os.statvfs(directory)
    with suppress(OSError), ballast.open("wb") as file:  # others may have been faster to take the room
        file.write(bytes(max(0, status.f_bavail * status.f_frsize - but_kib * 1024)))
    return ballast
