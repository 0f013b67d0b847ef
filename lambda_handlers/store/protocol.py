"""The object store: the verbs of the engine, and their errors.

Keys are relative to the store's prefix and use `/`. Objects are immutable, with two exceptions: `replace` changes the
S3 lock and the head, `put` changes the atlas and the parts of an upload. All other writes are conditional: they never
overwrite a version unseen by the caller.

A result of `create`, `create_from`, `assemble` or `replace` may be wrong about this very call: after a lost answer the
request is sent again and meets its own object (AlreadyExists), and a time-out leaves it open (Unavailable). Callers
resolve both by reading the key back; see `storage.commit` for transactions and `locks.s3` for locks.

The implementations are s3.py for S3 and directory.py for a directory; open.py opens the one in the settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from lambda_handlers.shared.dataclasses import dataclass

CHUNK_BYTES = 1 << 20
PART_BYTES = 8 << 20  # what is larger goes to S3 in parts of this size
SLICE_BYTES = 4 << 20  # of a file in a request to the function: 6 MB, with base64
PAGE_KEYS = 1000  # that S3 lists, or deletes, with one request
PRIVATE_PREFIX = "_keys/"  # objects for the owner alone: a directory gives their files the mode 0600

_MEDIA_TYPES = {"json": "application/json", "ndjson": "application/x-ndjson"}

T = TypeVar("T")


class StoreError(Exception):
    """An error about one key. The text names the key and is fit for a reply: no address, no bucket, no name of a
    role."""

    is_unmade = False  # no request that makes an object was sent
    status = 0  # of S3's answer, where there was one
    detail = ""  # the full text of the answer, for the log

    hint = "try again in a moment"  # what to do about it

    def __init__(self, key: str, message: str, hint: str = "") -> None:
        super().__init__(f"{key}: {message}" if key else message)  # a listing of everything concerns no key
        self.key = key
        if hint:
            self.hint = hint


class NotFound(StoreError):
    """The object does not exist."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "no such object")


class AlreadyExists(StoreError):
    """`create` found an object at the key: perhaps its own."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "exists already")


class PreconditionFailed(StoreError):
    """`replace` found another version than the caller's: perhaps its own."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "was changed by another writer")


class Refused(StoreError):
    """A definite refusal by the store (no permission, no such bucket): nothing was applied."""

    hint = "check the rights on the bucket, and its name and region: sldb doctor"


class Unfit(Refused):
    """The store ignores a condition of writes, and two writers would overwrite each other: nothing was written."""

    hint = "use a store with conditional writes; sldb doctor --store shows if a store has them"


class Unavailable(StoreError):
    """The store failed or did not answer: whether a write was applied is unknown."""


def media_type(key: str) -> str | None:
    """Return the content type of an object for clients with its URL; None: the store's usual one."""
    return _MEDIA_TYPES.get(key.rpartition(".")[2])


def detail_of(error: BaseException | None) -> str:
    """Return the full text of the store or of EC2 about an error or its causes; empty if there is none."""
    seen: set[int] = set()  # a chain of causes may lead back into itself
    while error is not None and id(error) not in seen:
        if detail := getattr(error, "detail", ""):
            return str(detail)
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return ""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    key: str
    size: int  # bytes
    modified_at: float  # unix seconds, by the store's clock
    etag: str = ""  # empty if the store returns none


@dataclass(frozen=True, slots=True)
class CopyOf:
    """A range of another object, in bytes."""

    key: str
    start: int
    length: int


class ObjectStore(Protocol):
    """Every verb raises Refused, or Unavailable where the store does not answer after bounded retries."""

    def get(self, key: str) -> bytes:
        """Return the whole object; raises NotFound."""

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        """Return the whole object and its ETag, for `replace`; raises NotFound."""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`, fewer at the end of the object; raises NotFound."""

    def size(self, key: str) -> int:
        """Return the size of the object in bytes; raises NotFound."""

    def info(self, key: str) -> ObjectInfo:
        """Return the entry of this object in a listing; raises NotFound."""

    def chunks(self, key: str) -> Iterator[bytes]:
        """Return the object piece by piece, to save memory; raises NotFound at the first piece."""

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        """Return the objects below `prefix` (empty, or with a slash at its end) in order of their keys, from behind the
        key `after`, if given. There need not be an object `after`. S3 is asked for `PAGE_KEYS` objects at a time, and
        for no more than are taken."""

    def list_directories(self, prefix: str) -> list[str]:
        """Return the names of the directories below `prefix`, in order. Each has at least one object below it."""

    def create(self, key: str, body: bytes) -> str:
        """Write a new object and return its ETag; raises AlreadyExists."""

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        """Write a new object of any size, in bounded memory. `chunks` is read once; if it raises, nothing is made."""

    def assemble(self, key: str, parts: Sequence[bytes | CopyOf]) -> str:
        """Write a new object from pieces of other objects, copied by the store itself, and return its ETag (empty if
        the store returns none); raises NotFound for a missing piece. Every part but the last has at least 5 MiB."""

    def put(self, key: str, body: bytes) -> str:
        """Write an object unconditionally, and return its ETag. Never for an LTX file."""

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:
        """Return URLs to GET or PUT the objects without credentials for that time; None if the store has none."""

    def replace(self, key: str, body: bytes, etag: str) -> str:
        """Write over the version with this ETag and return the new one; raises PreconditionFailed or NotFound."""

    def delete(self, key: str) -> None:
        """Remove an object, if it exists."""

    def delete_version(self, key: str, etag: str) -> bool:
        """Remove the version with this ETag; False if there is another one, or none, or if an answer was lost. A store
        that ignores the condition removes any version."""

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove objects, as `delete` does; not atomically: a failure leaves some."""

    def close(self) -> None:
        """Close the connections; later requests open new ones."""


def date_of(store: ObjectStore, key: str) -> float | None:
    """Return when an object was written, in unix seconds by the store's clock; None if there is none."""
    try:
        return store.info(key).modified_at
    except NotFound:
        return None
