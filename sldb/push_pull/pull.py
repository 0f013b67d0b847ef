"""The pull: a database, now or as it was, as a SQLite file that appears whole or not at all.

The action `pull` names the files of the log that make up one transaction; they are read and assembled here. The bytes
read are kept beside the file until it is complete (`.NAME.pull/`), so an interrupted pull continues from there; then
they are removed. The file gets its own name after it was checked and synced to the disk.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from lambda_handlers.host import Host
from lambda_handlers.storage.log.copy_mark import check_name
from lambda_handlers.storage.log.keys import database_prefix, parse_ltx_key
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.store.file_locks import try_lock, unlock
from lambda_handlers.wire import SldbError
from sldb import atomic_file
from sldb.client import Client
from sldb.progress.protocol import Progress
from sldb.push_pull import integrity
from sldb.push_pull.download import Downloader, LogFile
from sldb.push_pull.image import Image
from sldb.push_pull.transport import FileVanished, Transport

_TRIES = 3  # if files vanish, or the kept bytes are of other files
_COMPANIONS = ("-wal", "-journal", "-shm")  # SQLite would use those of an old file with the new one


@dataclass(frozen=True, slots=True)
class Pull:
    client: Client
    transport: Transport
    progress: Progress
    host: Host = field(default_factory=Host)
    is_local: bool = False  # the store is on this disk: nothing is kept

    def run(self, out: Path, at: int | str | None, *, replace: bool, check: bool) -> dict[str, Any]:
        """Write the database to `out` and return the reply to `pull`. Raises SldbError; then `out` is unchanged.

        `replace`: overwrite an existing file; `check`: have SQLite check the result (quick_check) first.
        """
        check_place(out, replace)
        out = Path(os.path.realpath(out))  # the target of a link
        with _work_directory(out) as place:
            try:
                plan = self._fetch(place, at)
                self._finish(place / "database", plan, check=check)
                _publish(place / "database", out, replace)
            except OSError as error:
                raise SldbError("bad_request", f"{out} cannot be written: {error.strerror or error}") from error
            for kept in place.glob("*.kept"):
                kept.unlink()
        return plan

    def _fetch(self, place: Path, at: int | str | None) -> dict[str, Any]:
        downloader = Downloader(self.transport, self.host, None if self.is_local else place)
        for last_try in (*[False] * (_TRIES - 1), True):
            plan = self.client.act("pull", at=at)
            files = tuple(LogFile(one["file"], one["bytes"]) for one in plan["files"])
            downloader.discard(except_for=files)
            is_continued = any(downloader.kept_bytes(file) for file in files)
            try:
                self._assemble(downloader, files, place / "database", plan)
            except FileVanished as error:
                if last_try:
                    raise SldbError("store_error", f"files vanish while they are read: {error}", "try again") from error
                at = plan["txid"]  # the same state, from the files that exist now
            except SldbError as error:
                # A file that was created again continues differently from the one whose beginning was kept.
                if error.code != "corrupt" or last_try or not is_continued:
                    raise
                downloader.discard()
                at = plan["txid"]
            else:
                return plan
        raise AssertionError  # the last try returns or raises

    def _assemble(self, downloader: Downloader, files: tuple[LogFile, ...], path: Path, plan: dict[str, Any]) -> None:
        name = plan["database"]
        self.progress.begin("pulling", bytes=sum(file.size for file in files))
        with path.open("w+b") as target:
            image = Image(target)
            for file in files:
                key = database_prefix(name) + file.name
                decoder = Decoder(self._counted(downloader.chunks(file)), key)
                ltx_name = parse_ltx_key(name, key)
                assert ltx_name is not None, f"{key} is not the key of a log file"
                check_name(decoder.header, ltx_name, key)
                image.apply(decoder)
            image.finish(name)

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            self.progress.advance(bytes=len(chunk))

    def _finish(self, path: Path, plan: dict[str, Any], *, check: bool) -> None:
        """Sync the image to the disk, and check it meanwhile. Raises `corrupt`, OSError."""
        synced = self.host.start(lambda: _sync(path))
        try:
            if check:
                self._check(path, plan)
        finally:
            synced.result()

    def _check(self, path: Path, plan: dict[str, Any]) -> None:
        """Raise `corrupt` if the image is damaged. The checksums were right, so the database itself was damaged."""
        self.progress.begin("checking")
        connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            found = integrity.examine(connection)
        except apsw.Error as error:
            found = integrity.Findings((str(error),))
        finally:
            connection.close()
        for table in found.unchecked:
            self.progress.note(integrity.not_checked(table))
        if found.damage:
            what = "; ".join(found.damage)
            raise SldbError(
                "corrupt",
                f"{plan['database']} at transaction {plan['txid']} is damaged: {what}",
                "sldb pull --at an earlier txid, or --no-check to pull it damaged",
            )


def check_place(out: Path, replace: bool) -> None:
    """Raise `bad_request` if no file can or may be created at `out`."""
    if out.is_dir():
        raise SldbError("bad_request", f"{out} is a directory, want the name of a file")
    if not out.parent.is_dir():
        raise SldbError("bad_request", f"{out.parent} is not a directory")
    there = [path for path in (out, *_companions(out)) if path.exists() or path.is_symlink()]
    if there and not replace:
        raise SldbError("bad_request", f"{there[0]} already exists", "give --yes to replace it")


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _companions(out: Path) -> list[Path]:
    return [out.with_name(out.name + suffix) for suffix in _COMPANIONS]


@contextmanager
def _work_directory(out: Path) -> Iterator[Path]:
    """Yield a directory beside the file, locked for one pull at a time."""
    place = out.with_name(f".{out.name}.pull")
    try:
        place.mkdir(exist_ok=True)
        descriptor = os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise SldbError("bad_request", f"{out} cannot be written: {error.strerror}") from error
    try:
        if not try_lock(descriptor):
            raise SldbError("conflict", f"another sldb pull is writing {out}", "wait for it")
        try:
            yield place
        finally:
            (place / "database").unlink(missing_ok=True)
            if not any(kept.stat().st_size for kept in place.glob("*.kept")):  # nothing for another try to use
                shutil.rmtree(place, ignore_errors=True)
            unlock(descriptor)
    finally:
        os.close(descriptor)


def _publish(made: Path, out: Path, replace: bool) -> None:
    """Give the complete file its name."""
    if replace:
        # SQLite would use the companions of the old file with the new one.
        for companion in _companions(out):
            companion.unlink(missing_ok=True)
        atomic_file.move_over(made, out)
        return
    try:
        atomic_file.move_if_free(made, out)
    except FileExistsError as error:
        raise SldbError("bad_request", f"{out} was created meanwhile", "give --yes to replace it") from error
