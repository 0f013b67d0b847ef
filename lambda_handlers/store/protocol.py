"""The verbs that the engine uses on an object store.

Keys are relative to the store's prefix and use `/`. Objects are immutable but for `replace`, of the S3 lock and the
head, and `put`, of parts that are on their way and of the atlas. All other writes are conditional: they never overwrite
what the caller has not seen.

An answer to `create`, `create_from`, `assemble` or `replace` may be wrong about this very call: a request whose answer
got lost is sent again and then meets its own object (AlreadyExists), and a time-out leaves it open (Unavailable).
Callers resolve both by reading the key back; see `storage.commit` for transactions and `locks.s3` for locks.

S3 stands behind them in s3_store.py, a directory in directory_store.py; stores.py opens the one that is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

CHUNK_BYTES = 1 << 20
PART_BYTES = 8 << 20  # what is larger goes to S3 in parts of this size
PAGE_KEYS = 1000  # that S3 lists, or deletes, with one request

T = TypeVar("T")


class StoreError(Exception):
    """Something about one key; the text names it, and is fit for a reply: no address, no bucket, no name of a role."""

    is_unmade = False  # nothing that makes an object has left
    status = 0  # of S3's answer, where there was one
    detail = ""  # all that was said, for the log

    hint = "try again in a moment"  # what to do about it

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}" if key else message)  # a listing of all is about no key
        self.key = key


class NotFound(StoreError):
    """There is no such object."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "no such object")


class AlreadyExists(StoreError):
    """`create` found an object at the key: perhaps its own."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "exists already")


class PreconditionFailed(StoreError):
    """`replace` found another version than the caller's: perhaps its own."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "was changed by somebody else")


class Refused(StoreError):
    """The store answered that this may not be done (no permission, no such bucket): nothing was applied."""

    hint = "look at the rights on the bucket, and at its name and region: sldb doctor"


class Unfit(Refused):
    """The store ignores a condition of writes, without which two writers overwrite each other: nothing was written."""

    hint = "use a store with conditional writes; sldb doctor --store tells whether one has them"


class Unavailable(StoreError):
    """The store failed or did not answer; whether a write was applied is not known."""


def detail_of(error: BaseException | None) -> str:
    """What the store, or EC2, said in full, of the error that led to this one; empty where neither did."""
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
    etag: str = ""  # empty where the store tells none


@dataclass(frozen=True, slots=True)
class CopyOf:
    """A range of another object, in bytes."""

    key: str
    start: int
    length: int


class ObjectStore(Protocol):
    """Every verb raises Refused, or Unavailable where the store does not answer after bounded retries."""

    def get(self, key: str) -> bytes:
        """The whole object; raises NotFound."""

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        """The whole object and its ETag, which `replace` needs; raises NotFound."""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer where the object ends; raises NotFound."""

    def size(self, key: str) -> int:
        """How many bytes the object has; raises NotFound."""

    def info(self, key: str) -> ObjectInfo:
        """What a LIST would show of the object, asked for by itself; raises NotFound."""

    def chunks(self, key: str) -> Iterator[bytes]:
        """The object piece by piece, for what should not be in memory whole; raises NotFound at the first piece."""

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        """The objects whose key begins with `prefix` (which ends with `/` or is empty), in order of their keys; only
        those that come behind the key `after`, which need not exist."""

    def list_directories(self, prefix: str) -> list[str]:
        """The names directly below `prefix` that have objects below them, in order."""

    def create(self, key: str, body: bytes) -> str:
        """Write an object that does not exist and return its ETag; raises AlreadyExists."""

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        """`create` for a body of any size, in bounded memory. `chunks` is read once; if it raises, nothing is made."""

    def assemble(self, key: str, parts: Sequence[bytes | CopyOf]) -> str:
        """`create` from pieces of other objects, without moving them through here; raises NotFound for one of those.
        Every part but the last has at least 5 MiB. Returns the ETag, empty where the store tells none."""

    def put(self, key: str, body: bytes) -> str:
        """Write an object whether there is one or not, and return its ETag. Never for an LTX file."""

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:
        """URLs under which anybody may GET or PUT the objects for so long; None where the store has none."""

    def replace(self, key: str, body: bytes, etag: str) -> str:
        """Write over the version with this ETag and return the new one; raises PreconditionFailed or NotFound."""

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove objects, as `delete` does; not all at once, so that a failure leaves some."""

    def close(self) -> None:
        """Let go of connections; what is asked afterwards makes new ones."""
