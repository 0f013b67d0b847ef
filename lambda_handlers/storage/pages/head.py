"""head.json: where a cold reader may begin without a LIST.

It says which files made up the newest state when a writer last knew, and when that was. It is a hint and never the
truth: a reader goes on from `txid` by asking for the next transaction, and may use the hint only while `checked_at` is
younger than half the retention floor, for until then nothing that came after `txid` can have been compacted away. It
may be stale, damaged, deleted or name files that are gone: then a LIST tells, as it would without it. No transaction is
committed on the word of a head (replica).

Writers put it when they fold and maintenance when it has passed. It only moves forward, by conditional replace; the
loser of that race leaves it.

    {"version":2,"txid":4711,"checked_at":1790000000.5,"folds_from":4096,
     "files":[[level, min txid, max txid, bytes, whether it has a page map, whether the atlas has one],…],"crc32":"…"}

The checksum (sealed) covers all of it and the name of the database. A head is believed only if its own files are a
chain that ends at `txid`, and none that it leads to looks damaged: with a wrong size a sound file does, so that a LIST
has the last word. Who puts a head gives only sizes that a checksum covers.Version 1
had no checksum: it is no head to this code, nor is this one to the code of then, which puts its own over it.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambda_handlers.shared.sealed import seal, unseal
from lambda_handlers.storage.log import chain
from lambda_handlers.storage.log.keys import SNAPSHOT_LEVEL, LtxName, head_key
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.store.protocol import NotFound, ObjectStore

_VERSION = 2


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

    def encode(self, database: str) -> bytes:
        files = [[f.name.level, f.name.min_txid, f.name.max_txid, f.size, f.is_mapped, f.in_atlas] for f in self.files]
        fields = {
            "version": _VERSION,
            "txid": self.txid,
            "checked_at": self.checked_at,
            "folds_from": self.folds_from,
            "files": files,
        }
        return seal(fields, head_key(database))

    @classmethod
    def decode(cls, data: bytes, database: str) -> Head | None:
        """None for what is no head of this database and version, or a damaged one."""
        fields = unseal(data, head_key(database))
        if fields is None or fields.get("version") != _VERSION:
            return None
        try:
            files = tuple(
                HeadFile(LtxName(int(level), int(low), int(high)), int(size), bool(is_mapped), bool(in_atlas))
                for level, low, high, size, is_mapped, in_atlas in fields["files"]
            )
            head = cls(int(fields["txid"]), float(fields["checked_at"]), int(fields["folds_from"]), files)
        except (ValueError, KeyError, TypeError, OverflowError):
            return None
        return head if head.is_sound else None

    @property
    def is_sound(self) -> bool:
        """Whether its files lead from nothing to its transaction, and no further."""
        are_names = all(
            0 <= f.name.level <= SNAPSHOT_LEVEL and 1 <= f.name.min_txid <= f.name.max_txid for f in self.files
        )
        plan = chain.plan(file.name for file in self.files)
        return are_names and plan.reach == plan.newest == self.txid > 0


def read(store: ObjectStore, database: str) -> tuple[Head | None, str | None]:
    """The head, where there is a readable one, and the ETag of whatever is there. Raises StoreError, but NotFound."""
    try:
        body, etag = store.get_with_tag(head_key(database))
    except NotFound:
        return None, None
    return Head.decode(body, database), etag


def advance(store: ObjectStore, database: str, head: Head, etag: str | None) -> str:
    """Put a head that is newer than the one which was read with `etag` (None: there was none). Returns the new ETag;
    raises AlreadyExists, PreconditionFailed or NotFound where another writer was faster, or another StoreError."""
    if etag is None:
        return store.create(head_key(database), head.encode(database))
    return store.replace(head_key(database), head.encode(database), etag)
