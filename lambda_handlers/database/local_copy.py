"""A local copy of one state of a database: what an SQLite connection on it needs."""

from __future__ import annotations

from pathlib import Path

from lambda_handlers.storage.draft import Draft
from lambda_handlers.storage.replica import Replica
from lambda_handlers.storage.vfs import DraftVFS


class Copy:
    """A replica, with the draft and the VFS over it."""

    def __init__(self, replica: Replica, directory: Path) -> None:
        self.replica = replica
        self.draft = Draft(replica, directory)
        self.vfs = DraftVFS(self.draft)

    def close(self) -> None:
        self.vfs.unregister()
        self.draft.close()
        self.replica.close()
