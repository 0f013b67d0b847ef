"""The verified files of one database: each is read once and compared with its checksum, since files never change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lambda_handlers.actions.context import ActionContext
from lambda_handlers.storage import verification
from lambda_handlers.storage.listing import Listing, side_by_side
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.verification import Verified

SMALL_BYTES = 1 << 20  # a smaller file is sent from here: one request less than a copy inside the store
KEPT_BYTES = 32 << 20  # of small files, kept until they are put; the others are read again


class VerifiedFiles:
    def __init__(self, context: ActionContext, database: str) -> None:
        self._context = context
        self._database = database
        self._deadline = context.deadline.reporting(
            f"the time was up before {database} had been read and compared with its checksums"
        )
        self._found: dict[LtxName, Verified] = {}
        self._room_bytes = KEPT_BYTES

    def verify(self, listing: Listing, names: Iterable[LtxName]) -> Mapping[LtxName, Verified]:
        """Return all files verified so far, with these among them. Raises `corrupt`, with the key of a damaged file;
        NotFound, another StoreError, or `query_timeout`."""
        waiting = [name for name in names if name not in self._found]
        for file in side_by_side(self._context.host, lambda name: self._verify(name, listing.sizes[name]), waiting):
            self._found[file.name] = file
            self._deadline.check()
        return self._found

    def body(self, file: Verified) -> bytes:
        """Return the bytes of a verified file. Raises `corrupt` if they have changed, or StoreError."""
        if file.body is not None:
            return file.body
        store, key = self._context.store, file.name.key(self._database)
        body = store.get(key)
        if not file.is_same((body,)) and not file.is_same((body := store.get(key),)):
            ltx.corrupt(key, "content", "other bytes", "those that were read before")
        return body

    def _verify(self, name: LtxName, size: int) -> Verified:
        keeps_body = size <= min(SMALL_BYTES, self._room_bytes)
        if keeps_body:
            self._room_bytes -= size
        store, check = self._context.store, self._deadline.check
        return verification.verify(store, self._database, name, size, check, keeps_body)
