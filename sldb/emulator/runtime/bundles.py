"""The files of a container: the function's zip, unpacked, and the Lambda runtime's own packages.

Unpacked bundles are shared between containers, as /var/task is read-only in Lambda, and kept by the hash of the zip.
"""

from __future__ import annotations

import io
import shutil
import threading
import zipfile
import zlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sldb.emulator.runtime import stand_in

MAX_UNZIPPED_BYTES = 262_144_000
_RUNTIME_PACKAGES = ("awslambdaric", "simplejson", "snapshot-restore-py")
_UNIX = 3  # ZipInfo.create_system
_READABLE_BY_ALL = 0o004


class UnusableBundle(Exception):
    """An error for a zip: Lambda would not run it either."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A Lambda runtime: it polls for invocations and calls the handler."""

    directory: Path  # with it and what it needs, and with nothing else of this machine's Python
    module: str  # to be run as __main__


class Bundles:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._runtime: Runtime | None = None

    def task_dir(self, code: bytes, code_sha256: str) -> Path:
        """Return the directory of the unpacked bundle with this hash."""
        # The hash is base64: a slash in it does not separate directories.
        target = self._root / "tasks" / code_sha256.replace("/", "_").rstrip("=")
        with self._lock:
            if not target.exists():
                unpacked = target.with_suffix(".unpacking")
                try:
                    unpack(code, unpacked)
                except BaseException:  # the next call is to meet what this one met, and not what it left
                    shutil.rmtree(unpacked, ignore_errors=True)
                    raise
                unpacked.rename(target)
        return target

    def runtime(self) -> Runtime:
        with self._lock:
            if self._runtime is None:
                self._runtime = _make_runtime(self._root / "runtime")
        return self._runtime


def check(code: bytes) -> None:
    """Raise UnusableBundle if Lambda would refuse the zip, or accept it and then fail to read it."""
    try:
        entries = zipfile.ZipFile(io.BytesIO(code)).infolist()
    except zipfile.BadZipFile as error:
        raise UnusableBundle(
            f"Could not unzip uploaded file. Please check your file, then try to upload again. ({error})"
        ) from error
    unzipped_bytes = sum(entry.file_size for entry in entries)
    if unzipped_bytes > MAX_UNZIPPED_BYTES:
        raise UnusableBundle(f"Unzipped size must be smaller than {MAX_UNZIPPED_BYTES} bytes")


def unpack(code: bytes, target: Path) -> None:
    target.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            if entry.create_system == _UNIX and not entry.is_dir() and not mode & _READABLE_BY_ALL:
                raise UnusableBundle(
                    f"{entry.filename} has mode {mode & 0o777:04o} in the bundle: "
                    "Lambda's user may not read it (0644 is needed)"
                )
        try:
            archive.extractall(target)
        except (zipfile.BadZipFile, zlib.error) as error:  # an entry that does not match its checksum
            raise UnusableBundle(f"the bundle cannot be unzipped: {error}") from error


def _make_runtime(directory: Path) -> Runtime:
    directory.mkdir(parents=True)
    try:
        for package in _RUNTIME_PACKAGES:
            _copy_package(package, directory)
    except metadata.PackageNotFoundError:
        # Published for Linux only; the extra `emulator` has it there.
        shutil.copy2(stand_in.__file__, directory)
        return Runtime(directory, "stand_in")
    return Runtime(directory, "awslambdaric")


def _copy_package(package: str, target: Path) -> None:
    distribution = metadata.distribution(package)
    for file in distribution.files or ():
        if ".." in file.parts:
            continue  # a script beside the packages
        source = Path(str(file.locate()))
        if source.is_file():
            copy = target / str(file)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)  # with its time, so that compiled files stay valid
