"""The schema of a pushed file, before it becomes a database: names reserved for sldb are refused.

The content of such tables would be trusted, and a file may hold anything. `sldb push` leaves them out of the file; a
file with them is refused. Only the pages of the schema are read.
"""

from __future__ import annotations

from typing import Any

import apsw

from lambda_handlers.deadline import Deadline
from lambda_handlers.sql.chance import GENERATOR
from lambda_handlers.sql.own.own_tables import is_ours
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.prepared_file import Prepared
from lambda_handlers.storage.time_limit import NO_LIMIT, TimeLimit
from lambda_handlers.storage.vfs import PagesVFS
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError


class _PushedPages:
    def __init__(self, store: ObjectStore, prepared: Prepared, first_page: bytes, deadline: Deadline) -> None:
        self._deadline = deadline
        self.page_size = prepared.page_size
        self.page_count = prepared.page_count
        self._store = store
        self._prepared = prepared
        self._first_page = first_page
        self._read: dict[Pgno, bytes] = {Pgno(1): first_page}

    def read(self, pgno: Pgno, _limit: TimeLimit = NO_LIMIT) -> bytes:
        if pgno not in self._read:
            self._deadline.check()
            self._read = dict(self._prepared.pages_beside(self._store, pgno))
            self._read[Pgno(1)] = self._first_page
        return self._read[pgno]


def check_names(store: ObjectStore, prepared: Prepared, first_page: bytes, deadline: Deadline) -> None:
    """Raise `bad_request` if the file has tables, or anything else, with names reserved for sldb. Raises StoreError, or
    `query_timeout` before pages are read."""
    names = _names(_PushedPages(store, prepared, first_page, deadline), deadline)
    if not names:
        return
    raise SldbError(
        "bad_request",
        f"the pushed file has names that are reserved for sldb: {', '.join(names)}",
        "push it with `sldb push`, which leaves them out, or drop them in a copy of the file",
        applied="no",
    )


def _names(pages: _PushedPages, deadline: Deadline) -> list[str]:
    vfs = PagesVFS(pages)
    try:
        found = _read_names(vfs, deadline)
    except (apsw.SQLError, apsw.CorruptError, apsw.NotADBError):
        return []  # SQLite cannot read the schema: no request can, either
    finally:
        vfs.unregister()
    return sorted(str(name) for (name,) in found if is_ours(str(name)))


def _read_names(vfs: PagesVFS, deadline: Deadline) -> list[tuple[Any, ...]]:
    with GENERATOR.unpinned(deadline):
        connection = vfs.connect()
        try:
            return connection.execute("SELECT name FROM main.sqlite_schema").fetchall()
        finally:
            connection.close(True)
