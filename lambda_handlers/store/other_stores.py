"""S3 by a vendor other than AWS: its conditions are tested before the first write, and large objects are one put.

Before a container's first write the conditions are tested (conditional_writes.py: two requests, three in a new bucket).
A store without one of them is refused with Unfit, and nothing is written. Reads need no test.

On some servers several conditional completions of multipart uploads win a race. Therefore one conditional put creates
an object of any size here: a body too large for memory is collected in a nameless local file, and sent from there. S3
accepts 5 GiB this way. Copies of other objects pass through here, too.

With `SLDB_LARGE_COMMITS=parts` the user states that the server completes atomically: then the container races
completions before the first large object, and sends it in parts unless the server lost a race.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any

from lambda_handlers.store import conditional_writes
from lambda_handlers.store.protocol import PART_BYTES, CopyOf, ObjectStore, Refused, StoreError, Unfit
from lambda_handlers.store.s3 import ObstoreStore
from lambda_handlers.store.s3_requests import FileBody, S3Requests
from lambda_handlers.store.s3_responses import RequestKind, to_store_error
from lambda_handlers.store.s3_retries import S3Error

MAX_MEMORY_BYTES = 16 << 20  # of an object in memory; more goes to a file
MAX_PUT_BYTES = 5 << 30  # S3's limit for one put
RACES_PREFIX = "_replies/probe-"  # the bucket of a stack removes leftovers there after a day


class ForeignStore(ObstoreStore):
    def __init__(
        self,
        client: Callable[[int], Any],
        requests: Callable[[], S3Requests],
        *,
        may_use_parts: bool = False,
        temp_dir: str = "",
        tests: bool = True,  # the conditions, before the first write
    ) -> None:
        super().__init__(client, requests)
        self._plain: ObjectStore = ObstoreStore(client, requests)
        self._may_use_parts = may_use_parts
        self._temp_dir = temp_dir or None
        self._checking = threading.Lock()
        self._keeps_conditions = not tests
        self._completes_atomically: bool | None = None  # None: not raced yet

    def create(self, key: str, body: bytes) -> str:
        self._check(key)
        return super().create(key, body)

    def put(self, key: str, body: bytes) -> str:
        self._check(key)
        return super().put(key, body)

    def replace(self, key: str, body: bytes, etag: str) -> str:
        self._check(key)
        return super().replace(key, body, etag)

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        self._check(key)
        if self._uses_parts():
            self._plain.create_from(key, chunks)
        else:
            self._create_whole(key, chunks)

    def assemble(self, key: str, parts: Sequence[bytes | CopyOf]) -> str:
        self._check(key)
        if self._uses_parts():
            return self._plain.assemble(key, parts)
        return self._create_whole(key, self._read(parts))

    def close(self) -> None:
        super().close()
        self._plain.close()

    def _check(self, key: str) -> None:
        """Raise Unfit for a store without conditions, Refused if the test failed: nothing was sent."""
        if self._keeps_conditions:
            return
        with self._checking:
            if self._keeps_conditions:
                return
            try:
                missing = conditional_writes.missing_condition(self._plain)
            except StoreError as error:
                refusal = Refused(key, f"the test of the store's conditions failed: {error}")
                refusal.hint = error.hint
                raise refusal from error
            if missing:
                raise Unfit(key, f"this store cannot hold databases: {missing}")
            self._keeps_conditions = True

    def _uses_parts(self) -> bool:
        if not self._may_use_parts:
            return False
        with self._checking:
            if self._completes_atomically is None:
                self._completes_atomically = self._wins_races()
            return self._completes_atomically

    def _wins_races(self) -> bool:
        prefix = f"{RACES_PREFIX}{uuid.uuid4().hex}-"
        try:
            return conditional_writes.race_completions(self._plain, prefix).holds
        except StoreError:  # one conditional put is correct in every case
            return False

    def _read(self, parts: Sequence[bytes | CopyOf]) -> Iterator[bytes]:
        for part in parts:
            if isinstance(part, bytes):
                yield part
                continue
            for start in range(part.start, part.start + part.length, PART_BYTES):
                length = min(PART_BYTES, part.start + part.length - start)
                piece = self.get_range(part.key, start, length)
                if len(piece) != length:
                    raise Refused(part.key, f"ends at byte {start + len(piece)}, and should end at {start + length}")
                yield piece

    def _create_whole(self, key: str, chunks: Iterable[bytes]) -> str:
        """Create an object by one put, and return its ETag."""
        with _Spool(key, self._temp_dir) as spool:
            for chunk in chunks:
                spool.add(chunk)
            if spool.length <= MAX_MEMORY_BYTES:
                return self._plain.create(key, spool.held())
            return self._put_file(key, spool.body())

    def _put_file(self, key: str, body: FileBody) -> str:
        try:
            answer = self._requests().send("PUT", key, [], body, {"if-none-match": "*"}, tries=1)
        except S3Error as error:
            raise to_store_error(RequestKind.CREATE, key, error.failure) from error
        return answer.headers.get("etag", "")


class _Spool:
    """A body that is being collected: in memory while it is small, then in a file without a name."""

    def __init__(self, key: str, directory: str | None) -> None:
        self.length = 0
        self._key = key
        self._digest = hashlib.sha256()
        self._file = tempfile.SpooledTemporaryFile(MAX_MEMORY_BYTES, dir=directory)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, chunk: bytes) -> None:
        self.length += len(chunk)
        if self.length > MAX_PUT_BYTES:
            raise Refused(self._key, f"has more than {MAX_PUT_BYTES >> 30} GiB, the most that one put may have")
        self._digest.update(chunk)
        try:
            self._file.write(chunk)
        except OSError as error:
            raise Refused(self._key, f"could not be collected in a local file, to be sent whole: {error}") from error

    def held(self) -> bytes:
        self._file.seek(0)
        return self._file.read()

    def body(self) -> FileBody:
        return FileBody(self._file, self.length, self._digest.hexdigest())
