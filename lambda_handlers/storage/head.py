"""head.json: where a cold reader may begin without a LIST.

It says which files made up the newest state when somebody last knew, and when that was. It is a hint and never the
truth: a reader goes on from `txid` by asking for the next transaction, and may use the hint only while `checked_at` is
younger than half the retention floor, for until then nothing that came after `txid` can have been compacted away. It
may be stale, damaged, deleted or name files that are gone: then a LIST tells, as it would without it.

Writers put it when they fold and maintenance when it has passed. It only moves forward, by conditional replace; who
loses that race leaves it.

    {"version": 1, "txid": 4711, "checked_at": 1790000000.5, "folds_from": 4096,
     "files": [[level, min txid, max txid, bytes, whether it has a page map, whether the atlas has one], …]}
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from lambda_handlers.object_store import NotFound, ObjectStore
from lambda_handlers.storage.keys import LtxName, head_key
from lambda_handlers.storage.ltx import Txid

_VERSION = 1


@dataclass(frozen=True, slots=True)
class HeadFile:
    name: LtxName
    size: int  # bytes
    is_mapped: bool  # a page map lies beside it
    in_atlas: bool = False  # the atlas has its page map


@dataclass(frozen=True, slots=True)
class Head:
    txid: Txid
    checked_at: float  # unix seconds: at this moment there was no transaction after `txid`
    folds_from: Txid  # the end of what maintenance has merged; writers' folds are counted from there
    files: tuple[HeadFile, ...]  # the chain to `txid`, in the order in which they apply

    def encode(self) -> bytes:
        files = [[f.name.level, f.name.min_txid, f.name.max_txid, f.size, f.is_mapped, f.in_atlas] for f in self.files]
        body = {
            "version": _VERSION,
            "txid": self.txid,
            "checked_at": self.checked_at,
            "folds_from": self.folds_from,
            "files": files,
        }
        return json.dumps(body, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> Head | None:
        """None for what is no head of this version."""
        try:
            body = json.loads(data)
            if body["version"] != _VERSION:
                return None
            files = tuple(
                HeadFile(LtxName(int(level), int(low), int(high)), int(size), bool(is_mapped), bool(in_atlas))
                for level, low, high, size, is_mapped, in_atlas in body["files"]
            )
            return cls(int(body["txid"]), float(body["checked_at"]), int(body["folds_from"]), files)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None


def read(store: ObjectStore, database: str) -> tuple[Head | None, str | None]:
    """The head, where there is a readable one, and the ETag of whatever is there. Raises StoreError, but NotFound."""
    try:
        body, etag = store.get_with_tag(head_key(database))
    except NotFound:
        return None, None
    return Head.decode(body), etag


def advance(store: ObjectStore, database: str, head: Head, etag: str | None) -> str:
    """Put a head that is newer than the one which was read with `etag` (None: there was none). Returns the new ETag;
    raises AlreadyExists, PreconditionFailed or NotFound where somebody else was faster, or another StoreError."""
    if etag is None:
        return store.create(head_key(database), head.encode())
    return store.replace(head_key(database), head.encode(), etag)
