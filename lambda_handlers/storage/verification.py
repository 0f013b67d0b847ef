"""The verification of one LTX file: read whole once, and compared with its key and a LIST. A copy needs this proof.

`verify` decodes the file (its checksum, its txids, its length) while it streams through, and notes an MD5 of each range
of `RANGE_BYTES`. A copy is the same file if its ranges have the same MD5s. If the store reports an MD5 of its object,
as S3's ETags do, the two are compared without reading anything (`has_tag`). Of an object made of parts, S3's ETag is
the MD5 of the parts' MD5s, so that a copy is made of just these ranges. If the store reports nothing, or a tag of
another kind (encryption with KMS), the copy is read back (`is_same`).

Damage may be in a response or in the object: a file that does not decode is read once more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.copy_mark import check_name
from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.pages.page_map import MAP_WORTH_BYTES, PageMap
from lambda_handlers.storage.pages.page_map_builder import PageMapBuilder
from lambda_handlers.store.protocol import CopyOf, ObjectStore
from lambda_handlers.wire import SldbError

RANGE_BYTES = 256 << 20  # of what the store copies with one request
Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """A file that was read. `body` is None if it was not to be kept."""

    name: LtxName
    header: Header
    size: int  # bytes
    digests: tuple[bytes, ...]  # MD5 of each range
    page_map: PageMap | None  # of a file that is worth one
    body: bytes | None = None

    def ranges(self, key: str) -> list[CopyOf]:
        """Return the file in pieces, the ones that a copy is made of."""
        starts = range(0, self.size, RANGE_BYTES)
        return [CopyOf(key, start, min(RANGE_BYTES, self.size - start)) for start in starts]

    def has_tag(self, etag: str) -> bool:
        """Return True if a store's ETag proves that an object has these bytes."""
        tag = etag.strip('"')
        combined = hashlib.md5(b"".join(self.digests), usedforsecurity=False).hexdigest()
        is_single = len(self.digests) == 1 and tag == self.digests[0].hex()
        return is_single or tag == f"{combined}-{len(self.digests)}"

    def is_same(self, chunks: Iterable[bytes]) -> bool:
        """Return True if the chunks of an object are these bytes."""
        digests = _Digests()
        for chunk in chunks:
            digests.add(chunk)
        return digests.finish() == self.digests


def of_body(name: LtxName, header: Header, body: bytes) -> Verified:
    """Return the facts of a file made here."""
    digests = _Digests()
    digests.add(body)
    return Verified(name, header, len(body), digests.finish(), None, body)


def verify(
    store: ObjectStore,
    database: str,
    name: LtxName,
    size: int | None = None,
    tick: Tick = lambda: None,
    keeps_body: bool = False,
) -> Verified:
    """Read and verify a file. `size`: bytes that it must have; `tick` is called now and then, and may raise. Raises
    NotFound, another StoreError, or `corrupt` if the file is damaged or has another size."""
    try:
        return _read(store, database, name, size, tick, keeps_body)
    except SldbError as error:
        if error.code != "corrupt":
            raise
    return _read(store, database, name, size, tick, keeps_body)


def same_bytes(file: Verified, chunks: Iterable[bytes], key: str) -> Iterator[bytes]:
    """Yield the chunks of a verified file that is read again. Raises `corrupt` after the last one if they differ."""
    digests = _Digests()
    yield from digests.passing(chunks, lambda: None)
    if digests.finish() != file.digests:
        ltx.corrupt(key, "content", "other bytes when it is read again", "the same")


def _read(store: ObjectStore, database: str, name: LtxName, size: int | None, tick: Tick, keeps_body: bool) -> Verified:
    key = name.key(database)
    body = store.get(key) if keeps_body else None
    digests = _Digests()
    decoder = Decoder(digests.passing(store.chunks(key) if body is None else (body,), tick), key)
    builder = PageMapBuilder(decoder.header) if size is not None and size > MAP_WORTH_BYTES else None
    for frame in decoder.frames():
        if builder is not None:
            builder.add(frame)
    check_name(decoder.header, name, key)  # after the checksum, so that damage is reported as such
    if size is not None and decoder.length != size:
        ltx.corrupt(key, "length", f"{decoder.length} bytes", f"{size} bytes, as in a LIST")
    page_map = builder.build(decoder.length) if builder is not None else None
    return Verified(name, decoder.header, decoder.length, digests.finish(), page_map, body)


@dataclass(slots=True)
class _Digests:
    """The MD5s of the ranges of a file, added piece by piece."""

    _done: list[bytes] = field(default_factory=list)
    _hash: hashlib._Hash = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))
    _room: int = field(default_factory=lambda: RANGE_BYTES)

    def add(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while len(rest) > self._room:
            self._hash.update(rest[: self._room])
            rest = rest[self._room :]
            self._done.append(self._hash.digest())
            self._hash, self._room = hashlib.md5(usedforsecurity=False), RANGE_BYTES
        self._hash.update(rest)
        self._room -= len(rest)

    def passing(self, chunks: Iterable[bytes], tick: Tick) -> Iterator[bytes]:
        for chunk in chunks:
            tick()
            self.add(chunk)
            yield chunk

    def finish(self) -> tuple[bytes, ...]:
        return (*self._done, self._hash.digest())
