"""Backups of databases, made, verified and restored between two stores.

A backup store has the layout of a store of databases, so that `sldb --local DIR` reads one in a directory, and the
manifests beside them. A backup copies the files that are not there yet; files that maintenance has removed from the
source stay in the backup, for its older manifests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lambda_handlers.host import Host
from lambda_handlers.storage.listing import Listing, list_files
from lambda_handlers.storage.log.keys import database_names
from lambda_handlers.storage.verification import verify
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import AlreadyExists, ObjectStore, StoreError, Unavailable
from lambda_handlers.wire import SldbError
from sldb.backup.copying import Copied, CopiedFile, Source, copy_files
from sldb.backup.installing import install, is_dropped, refuse_taken
from sldb.backup.manifest import BackupName, Manifest, list_backups, newest_of, read_manifest
from sldb.progress.protocol import SILENT, Progress


def databases_in(store: ObjectStore) -> list[str]:
    """Return the names of all databases of a store, the dropped ones too. Raises SldbError."""
    try:
        return database_names(store.list_directories(""))
    except StoreError as error:
        raise store_error(error) from error


def back_up(
    source: Source, target: ObjectStore, place: str, progress: Progress = SILENT, host: Host | None = None
) -> tuple[Manifest, Copied]:
    """Copy what a backup store does not have yet of a database, and write the manifest. `place`: of the source, for
    people. Raises SldbError."""
    host = host or Host()
    before = newest_of(list_backups(target, source.database)).get(source.database)
    known = read_manifest(target, before).files if before else ()
    copied = copy_files(source, target, known, progress, host)
    name = BackupName(source.database, copied.txid, int(host.now() * 1000))
    manifest = Manifest(name, copied.header.timestamp_ms, place, not source.only_newest, copied.files)
    return _write(target, manifest), copied


def _write(target: ObjectStore, manifest: Manifest) -> Manifest:
    """Write a manifest, and read it back. One of another backup at the same millisecond moves it by one."""
    while True:
        body = manifest.encode()
        try:
            try:
                target.create(manifest.name.key, body)
            except (AlreadyExists, Unavailable):
                if target.get(manifest.name.key) != body:
                    later = replace(manifest.name, made_at_ms=manifest.name.made_at_ms + 1)
                    manifest = replace(manifest, name=later)
                    continue
        except StoreError as error:
            raise store_error(error) from error
        return read_manifest(target, manifest.name)


def verify_backup(store: ObjectStore, manifest: Manifest, progress: Progress = SILENT) -> None:
    """Read every file of a backup, and compare it with its checksum and the manifest. Raises `corrupt`, with the key,
    or another SldbError."""
    database = manifest.name.database
    progress.begin(f"verifying {database}", files=len(manifest.files))
    for file in manifest.files:
        key = file.name.key(database)
        try:
            found = verify(store, database, file.name, file.size)
        except StoreError as error:
            raise store_error(error) from error
        if tuple(digest.hex() for digest in found.digests) != file.md5:
            raise SldbError("corrupt", f"{key} is not the file of the backup", "use another backup", key=key)
        progress.advance(files=1)


@dataclass(frozen=True, slots=True)
class _BackupSource(Source):
    """The files of one manifest: a later backup may have added others."""

    listed: tuple[CopiedFile, ...] = ()

    def files(self) -> Listing:
        wanted = {file.name for file in self.listed}
        found = list_files(self.store, self.database)
        listing = replace(found, sizes={name: size for name, size in found.sizes.items() if name in wanted})
        missing = sorted(wanted - listing.sizes.keys())
        if missing or not listing.chain_to(listing.newest):
            key = missing[0].key(self.database) if missing else ""
            raise SldbError("corrupt", f"files of the backup of {self.database} are missing: {key}", key=key)
        return listing


def restore(
    store: ObjectStore,
    manifest: Manifest,
    target: ObjectStore,
    database: str,
    progress: Progress = SILENT,
    host: Host | None = None,
) -> Copied:
    """Make a database of a backup, with its history. Raises `exists` if the target has one of that name, which is never
    overwritten, and other SldbErrors."""
    return install(_source_of(store, manifest), target, database, progress, host)


def _source_of(store: ObjectStore, manifest: Manifest) -> _BackupSource:
    return _BackupSource(store, manifest.name.database, listed=manifest.files)


def check_names(store: ObjectStore, wanted: Mapping[str, Manifest], target: ObjectStore) -> None:
    """Raise `exists` if `restore` would refuse one of these databases, and name all of them. Nothing is written."""
    taken = []
    for database, manifest in wanted.items():
        try:
            refuse_taken(_source_of(store, manifest), target, database)
        except SldbError as error:
            if error.code != "exists":
                raise
            taken.append(database)
    if not taken:
        return
    names = taken[0] if len(taken) == 1 else f"{', '.join(taken[:-1])} and {taken[-1]}"
    verb, them = ("exists", "it") if len(taken) == 1 else ("exist", "them")
    hint = f"--only {wanted[taken[0]].name.database} --as NAME makes another database beside it"
    if free := [name for name in wanted if name not in taken]:
        hint += f"; {' '.join(f'--only {name}' for name in free)} restores the rest"
    if dropped := [name for name in taken if is_dropped(target, name)]:
        hint += f". A dropped database ({', '.join(dropped)}) keeps its name and history: `sldb restore --at`"
    raise SldbError("exists", f"{names} {verb} already, and nothing of {them} is overwritten", hint, applied="no")
