"""The integrity of a database in a backup: its newest state as a SQLite file, checked by SQLite."""

from __future__ import annotations

import tempfile
from pathlib import Path

import apsw

from lambda_handlers.storage.log import chain
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import ObjectStore, StoreError
from lambda_handlers.wire import SldbError
from sldb.backup.manifest import Manifest
from sldb.push_pull.integrity import Findings, examine


def check_integrity(store: ObjectStore, manifest: Manifest) -> Findings:
    """Have SQLite check the newest state of a backup. Raises `corrupt` if it finds damage, or another SldbError."""
    database = manifest.name.database
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "database.sqlite"
        try:
            pages = _write(store, manifest, file)
        except StoreError as error:
            raise store_error(error) from error
        if not pages:  # it was dropped, or has no table yet
            return Findings()
        connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            found = examine(connection)
        except apsw.Error as error:
            found = Findings((str(error),))
        finally:
            connection.close()
    if found.damage:
        message = f"the backup of {database} is damaged as SQLite sees it: {found.damage[0]}"
        raise SldbError("corrupt", message, "check the database itself: PRAGMA integrity_check", database=database)
    return found


def _write(store: ObjectStore, manifest: Manifest, file: Path) -> int:
    """Write the newest state to a file; return its number of pages."""
    page_count = page_size = 0
    with file.open("wb") as image:
        for name in chain.plan(each.name for each in manifest.files).files:
            key = name.key(manifest.name.database)
            decoder = Decoder(store.chunks(key), key)
            page_count, page_size = decoder.header.commit, decoder.header.page_size
            for pgno, page in decoder.pages():
                image.seek((pgno - 1) * page_size)
                image.write(page)
        image.truncate(page_count * page_size)
    return page_count
