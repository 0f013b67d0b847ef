"""The manifests of backups: sealed objects, each written last, that name the files of one database at one moment.

    _backups/<database>/<txid, 16 hex digits>-<time, 11 hex digits of unix milliseconds>.json

A backup without its manifest does not count. No database can have the name _backups.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lambda_handlers.shared.sealed_json import seal, unseal
from lambda_handlers.storage.log.keys import LtxName, parse_ltx_key
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import ObjectStore, StoreError
from lambda_handlers.wire import SldbError
from sldb.backup.copying import CopiedFile

VERSION = 1
PREFIX = "_backups/"
_KEY = re.compile(rf"{PREFIX}([a-z0-9][a-z0-9-]{{0,62}})/([0-9a-f]{{16}})-([0-9a-f]{{11}})\.json")


@dataclass(frozen=True, slots=True)
class BackupName:
    """The facts in the key of a manifest."""

    database: str
    txid: int
    made_at_ms: int  # unix milliseconds

    @property
    def key(self) -> str:
        return f"{PREFIX}{self.database}/{self.txid:016x}-{self.made_at_ms:011x}.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    name: BackupName
    time_ms: int  # unix milliseconds, of the newest transaction
    source: str  # for people
    has_history: bool
    files: tuple[CopiedFile, ...]

    def encode(self) -> bytes:
        database = self.name.database
        fields = {
            "version": VERSION,
            "time_ms": self.time_ms,
            "source": self.source,
            "has_history": self.has_history,
            "files": [[file.name.key(database), file.size, *file.md5] for file in self.files],
        }
        return seal(fields, self.name.key)


def list_backups(store: ObjectStore, database: str | None = None) -> list[BackupName]:
    """Return the backups by database, the oldest first. Raises SldbError."""
    try:
        found = [
            _KEY.fullmatch(info.key) for info in store.list_objects(f"{PREFIX}{database}/" if database else PREFIX)
        ]
    except StoreError as error:
        raise store_error(error) from error
    names = [BackupName(match[1], int(match[2], 16), int(match[3], 16)) for match in found if match]
    return sorted(names, key=lambda name: (name.database, name.made_at_ms, name.txid))


def newest_of(names: Iterable[BackupName]) -> dict[str, BackupName]:
    """Return the newest backup of each database."""
    return {name.database: name for name in sorted(names, key=lambda name: name.made_at_ms)}


def read_manifest(store: ObjectStore, name: BackupName) -> Manifest:
    """Return a manifest. Raises `corrupt` if it is damaged, `unsupported` if a later version wrote it."""
    try:
        fields = unseal(store.get(name.key), name.key)
    except StoreError as error:
        raise store_error(error) from error
    if fields is None:
        raise SldbError("corrupt", f"{name.key} is damaged", "use another backup: sldb backup list", key=name.key)
    if fields.get("version") != VERSION:
        message = f"{name.key} has version {fields.get('version')}, and this sldb reads {VERSION}"
        raise SldbError("unsupported", message, "use the sldb that made the backup, or a later one", key=name.key)
    files = tuple(_file(name.database, row) for row in fields["files"])
    return Manifest(name, fields["time_ms"], fields["source"], fields["has_history"], files)


def _file(database: str, row: list[object]) -> CopiedFile:
    key, size, *md5 = row
    name = parse_ltx_key(database, str(key))
    assert isinstance(name, LtxName), key  # under a seal
    return CopiedFile(name, int(str(size)), tuple(map(str, md5)))
