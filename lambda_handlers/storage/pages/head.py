"""The head (head.json): the files with which a cold reader may begin without a LIST.

It lists the files of the newest state at a writer's last check, and the time of that check. It is a hint and never the
truth: a reader continues from `txid` by requesting the next transaction, and may use the hint only while `checked_at`
is younger than half the retention floor, for until then nothing after `txid` can have been compacted away. It may be
stale, damaged, deleted or name files that are gone: then a LIST decides, as it would without a head. No commit relies
on a head alone (replica).

Writers put it with a fold, and maintenance at the end of a pass. It only moves forward, by conditional replace; the
loser of that race leaves it.

    {"version":2,"txid":4711,"checked_at":1790000000.5,"folds_from":4096,
     "files":[[level, min txid, max txid, bytes, has a page map (bool), is in the atlas (bool)],…],
     "copies":{"0":"base64",…},"crc32":"…"}

`copies` may be missing, and earlier code ignores it: by their places in `files`, the bodies of small files and the page
maps of large ones (`copies`).

The checksum (sealed) covers all of it and the name of the database. A head is trusted only if its own files are a chain
that ends at `txid`, and none of them looks damaged: with a wrong size an intact file does, so a LIST decides then. A
writer of a head gives only sizes covered by a checksum. Version 1 had no checksum: this code does not accept it as a
head, nor does earlier code accept this one, which it overwrites with its own.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping

from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.shared.sealed_json import seal, unseal
from lambda_handlers.storage.log import chain
from lambda_handlers.storage.log.keys import SNAPSHOT_LEVEL, LtxName, head_key
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.store.protocol import NotFound, ObjectStore

_VERSION = 2


@dataclass(frozen=True, slots=True)
class HeadFile:
    """A file of the chain."""

    name: LtxName
    size: int  # bytes
    is_mapped: bool  # a page map lies beside it
    in_atlas: bool = False  # the atlas has its page map


@dataclass(frozen=True, slots=True)
class Head:
    """The content of a head."""

    txid: Txid
    checked_at: float  # unix seconds: at this moment there was no transaction after `txid`
    folds_from: Txid  # the end of what maintenance has merged; writers' folds are counted from there
    files: tuple[HeadFile, ...]  # the chain to `txid`, in the order in which they apply
    copies: Mapping[LtxName, bytes] = field(default_factory=dict)  # of small files, and of the page maps of large ones

    def encode(self, database: str) -> bytes:
        """Return the head as an object's body."""
        files = [[f.name.level, f.name.min_txid, f.name.max_txid, f.size, f.is_mapped, f.in_atlas] for f in self.files]
        fields = {
            "version": _VERSION,
            "txid": self.txid,
            "checked_at": self.checked_at,
            "folds_from": self.folds_from,
            "files": files,
        }
        places = {file.name: place for place, file in enumerate(self.files)}
        copies = {str(places[name]): b64encode(body).decode() for name, body in self.copies.items()}
        if copies:
            fields["copies"] = copies
        return seal(fields, head_key(database))

    @classmethod
    def decode(cls, data: bytes, database: str) -> Head | None:
        """Return the head; None for any other object, another database or version, or a damaged one."""
        fields = unseal(data, head_key(database))
        if fields is None or fields.get("version") != _VERSION:
            return None
        try:
            files = tuple(
                HeadFile(LtxName(int(level), int(low), int(high)), int(size), bool(is_mapped), bool(in_atlas))
                for level, low, high, size, is_mapped, in_atlas in fields["files"]
            )
            copies = {files[int(at)].name: b64decode(body) for at, body in fields.get("copies", {}).items()}
            head = cls(int(fields["txid"]), float(fields["checked_at"]), int(fields["folds_from"]), files, copies)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
            return None
        return head if head.is_sound else None

    @property
    def is_sound(self) -> bool:
        """True if its files lead from nothing to its transaction, and no further."""
        are_names = all(
            0 <= f.name.level <= SNAPSHOT_LEVEL and 1 <= f.name.min_txid <= f.name.max_txid for f in self.files
        )
        plan = chain.plan(file.name for file in self.files)
        return are_names and plan.reach == plan.newest == self.txid > 0


def read(store: ObjectStore, database: str) -> tuple[Head | None, str | None]:
    """Return the head, if there is a readable one, and the ETag of the object there. Raises StoreError."""
    try:
        body, etag = store.get_with_tag(head_key(database))
    except NotFound:
        return None, None
    return Head.decode(body, database), etag


def advance(store: ObjectStore, database: str, head: Head, etag: str | None) -> str:
    """Put a head newer than the one that was read with `etag` (None: there was none). Returns the new ETag. Raises
    StoreError; AlreadyExists, PreconditionFailed or NotFound mean that another writer was faster."""
    if etag is None:
        return store.create(head_key(database), head.encode(database))
    return store.replace(head_key(database), head.encode(database), etag)
