"""A local copy of one state of a database, and the places to work on it: what an SQLite connection needs."""

from __future__ import annotations

from lambda_handlers.storage.draft import Draft
from lambda_handlers.storage.replica import Replica
from lambda_handlers.storage.vfs import DraftVFS


class Workspace:
    """A draft and its VFS over the replica of a copy, which must stay at its transaction meanwhile."""

    def __init__(self, replica: Replica, directory: str) -> None:
        self.replica = replica
        self.draft = Draft(replica, directory)
        self.vfs = DraftVFS(self.draft)

    def close(self) -> None:
        self.vfs.unregister()
        self.draft.close()


class Copy(Workspace):
    """A replica of its own, with the workspace of its requests."""

    def close(self) -> None:
        super().close()
        self.replica.close()
