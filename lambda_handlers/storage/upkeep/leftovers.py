"""The removal of objects of no database from a directory: a bucket has a lifecycle rule for them.

rows of replies     after ROWS_SECONDS: for an hour a request sent again gets its first rows, and their reader may
                    take a while (`database.replies`)
slices of files     after MOVES_SECONDS: of an unfinished file of a move to this store (`actions.transfer.files`).
                    The next move removes them at once

Their ages are by the store's clock. Their reader, if there is one, runs its statement again.
"""

from __future__ import annotations

from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log.keys import is_rows_key, moves_prefix, replies_prefix, sweep_clock_key
from lambda_handlers.store.protocol import ObjectStore, StoreError, detail_of

ROWS_SECONDS = 3600.0 + 900.0
MOVES_SECONDS = 86_400.0
PAUSE_SECONDS = 900.0  # between two looks


@dataclass(slots=True)
class Leftovers:
    """The leftovers of one store; it lives as long as its container."""

    store: ObjectStore
    host: Host
    log: Log
    _looked_at: float = float("-inf")

    def remove(self) -> int:
        """Remove old objects, if it is time to look; return the number of objects. An error goes into the log."""
        now = self.host.now()
        if 0 <= now - self._looked_at < PAUSE_SECONDS:
            return 0
        self._looked_at = now
        try:
            store_time = self._store_time()
            old = [*self._old_rows(store_time - ROWS_SECONDS), *self._old_slices(store_time - MOVES_SECONDS)]
            self.store.delete_many(old)
        except StoreError as error:
            self.log.error("leftovers", message=str(error), aws_said=detail_of(error))
            return 0
        if old:
            self.log.info("leftovers", removed=len(old))
        return len(old)

    def _store_time(self) -> float:
        """Return the time by the store's clock, in unix seconds."""
        self.store.put(sweep_clock_key(), b"")
        return self.store.info(sweep_clock_key()).modified_at

    def _old_rows(self, until: float) -> list[str]:
        listed = self.store.list_objects(replies_prefix())
        return [info.key for info in listed if is_rows_key(info.key) and info.modified_at < until]

    def _old_slices(self, until: float) -> list[str]:
        return [info.key for info in self.store.list_objects(moves_prefix()) if info.modified_at < until]
