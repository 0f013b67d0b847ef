"""The code bundle of the functions: the server's modules and their wheels, as one zip.

Its content: `lambda_handlers/**/*.py` and the contents of the wheels, without the files that a function never imports
(tests, type stubs, command-line tools, lists of files), and without the debug information of native modules (`native`).
Licences stay.

The name of a bundle is the SHA-256 of its content (names, modes, bytes), not of the zip: versions of zlib compress
differently, patch releases of Python compile differently, and the same code must keep its name. The zip itself has
sorted names, fixed dates and modes set by hand (Lambda cannot read files without them), so that the same machine always
makes the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import lambda_handlers
from sldb.aws.errors import OperationFailed
from sldb.deploy.bundle.bytecode import compiled, interpreter_of
from sldb.deploy.bundle.native import without_debug_information
from sldb.deploy.bundle.pins import pins_for
from sldb.deploy.bundle.platform import Platform
from sldb.deploy.bundle.wheels import fetch
from sldb.progress.protocol import SILENT, Progress

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest date in a zip
_UNUSED = re.compile(
    r"""
    (^|/)(tests?|__pycache__|sboms)/      # no function runs its packages' tests
    | \.(c|h|pyc|pyi|pyx|pxd)$ | /py\.typed$
    | ^apsw/(sqlite_extra|shell\.py|speedtest\.py|trace\.py|fts_test_strings|__main__\.py)  # 30 tools and extensions
    | ^apsw/(_unicode|aio|bestpractice|ext|fts5|fts5aux|fts5query|unicode)\.  # not FTS5 itself
    | ^lz4/(frame|stream)/ | ^obstore/(auth/|fsspec\.py)
    | ^[^/]+\.dist-info/(RECORD|WHEEL|INSTALLER|REQUESTED|top_level\.txt|entry_points\.txt)$
    """,
    re.VERBOSE,
)
_WHEEL_DATA = re.compile(r"^[^/]+\.data/(?P<kind>[^/]+)/(?P<name>.+)$")


@dataclass(frozen=True, slots=True)
class Entry:
    name: str  # path in the zip
    data: bytes

    @property
    def mode(self) -> int:
        return 0o755 if _is_native(self.name) else 0o644


@dataclass(frozen=True)  # no slots: the digest and the zip are made once, on first use
class Bundle:
    entries: tuple[Entry, ...]  # by name, each name once
    platform: Platform

    @cached_property
    def digest(self) -> str:
        total = hashlib.sha256()
        for entry in self.entries:
            total.update(f"{entry.name}\0{entry.mode:o}\0".encode())
            # Only the presence of bytecode counts.
            data = b"" if entry.name.endswith(".pyc") else entry.data
            total.update(hashlib.sha256(data).digest())
        return total.hexdigest()

    @property
    def key(self) -> str:
        """The bundle's name in the bucket of bundles."""
        return f"{self.digest}.zip"

    @cached_property
    def zip(self) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for entry in self.entries:
                archive.writestr(_zip_info(entry), entry.data)
        return buffer.getvalue()

    @property
    def has_bytecode(self) -> bool:
        return any(entry.name.endswith(".pyc") for entry in self.entries)

    @property
    def unpacked_bytes(self) -> int:
        return sum(len(entry.data) for entry in self.entries)


def build(platform: Platform, cache: Path | None = None, progress: Progress = SILENT) -> Bundle:
    """Return the bundle for a platform; fetch wheels missing from the cache."""
    pins = pins_for(platform)
    wheels = fetch(pins, platform, cache, progress=progress)
    progress.begin("building the bundle")
    return assemble(platform, Path(lambda_handlers.__file__).parent, wheels)


def assemble(platform: Platform, package: Path, wheels: Iterable[Path]) -> Bundle:
    entries = list(_package_entries(package))
    for wheel in wheels:
        entries.extend(_wheel_entries(wheel))
    if interpreter := interpreter_of(platform):
        entries.extend(Entry(name, data) for name, data in compiled(((e.name, e.data) for e in entries), interpreter))
    return Bundle(_sorted_by_name(entries), platform)


def _package_entries(package: Path) -> Iterator[Entry]:
    for path in package.rglob("*.py"):
        yield Entry(f"{package.name}/{path.relative_to(package).as_posix()}", path.read_bytes())


def _wheel_entries(wheel: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            name = _installed_name(info.filename)
            if name and not info.is_dir() and not _UNUSED.search(name):
                data = archive.read(info)
                yield Entry(name, without_debug_information(data) if _is_native(name) else data)


def _is_native(name: str) -> bool:
    return name.endswith(".so") or ".so." in name


def _installed_name(name: str) -> str | None:
    """Return the path of an installed file of a wheel, relative to the packages; None for a file outside of them."""
    data = _WHEEL_DATA.match(name)
    if data is None:
        return name
    return data["name"] if data["kind"] in ("purelib", "platlib") else None


def _sorted_by_name(entries: list[Entry]) -> tuple[Entry, ...]:
    by_name: dict[str, Entry] = {}
    for entry in entries:
        if by_name.setdefault(entry.name, entry).data != entry.data:
            raise OperationFailed(f"two packages of the functions have a file {entry.name}")
    return tuple(by_name[name] for name in sorted(by_name))


def _zip_info(entry: Entry) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(entry.name, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3  # Unix, also where the zip is made on Windows, or the modes are ignored
    info.external_attr = (stat.S_IFREG | entry.mode) << 16
    return info
