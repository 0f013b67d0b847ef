"""The files of databases in a file system, as an object store: through the function that moves them.

It has the verbs that a copy needs; the others are refused. `lambda_handlers.actions.transfer.files` is the other side.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from lambda_handlers.store.protocol import (
    SLICE_BYTES,
    AlreadyExists,
    CopyOf,
    NotFound,
    ObjectInfo,
    Refused,
    Unavailable,
)
from lambda_handlers.wire import Action, SldbError
from sldb.targets.protocol import Target


class FunctionStore:
    def __init__(self, target: Target) -> None:
        self._target = target

    def get(self, key: str) -> bytes:
        return b"".join(self.chunks(key))

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        return self.get(key), ""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        pieces = []
        for at in range(start, start + length, SLICE_BYTES):
            wanted = min(SLICE_BYTES, start + length - at)
            piece = base64.b64decode(self._act("file_read", key, key=key, start=at, length=wanted)["body"])
            pieces.append(piece)
            if len(piece) < wanted:
                break
        return b"".join(pieces)

    def size(self, key: str) -> int:
        return int(self._act("file_read", key, key=key, length=0)["size"])

    def info(self, key: str) -> ObjectInfo:
        found = next((each for each in self.list_objects(key.rpartition("/")[0] + "/") if each.key == key), None)
        if found is None:
            raise NotFound(key)
        return found

    def chunks(self, key: str) -> Iterator[bytes]:
        at = 0
        while True:
            reply = self._act("file_read", key, key=key, start=at, length=SLICE_BYTES)
            piece = base64.b64decode(reply["body"])
            yield piece
            at += len(piece)
            if at >= reply["size"] or not piece:
                return

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        while files := self._act("file_list", prefix, prefix=prefix, after=after)["files"]:
            for key, size, modified_at in files:
                yield ObjectInfo(key, size, modified_at)
            after = files[-1][0]

    def list_directories(self, prefix: str) -> list[str]:
        if prefix:
            _refuse(prefix)
        return [str(name) for name in self._act("file_names", prefix)["names"]]

    def create(self, key: str, body: bytes) -> str:
        return self._send(key, [body])

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        self._send(key, chunks)

    def assemble(self, key: str, parts: Sequence[bytes | CopyOf]) -> str:  # noqa: ARG002 - the protocol's signature
        _refuse(key)

    def put(self, key: str, body: bytes) -> str:  # noqa: ARG002 - as above
        _refuse(key)

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:  # noqa: ARG002 - as above
        return None

    def replace(self, key: str, body: bytes, etag: str) -> str:  # noqa: ARG002 - as above
        _refuse(key)

    def delete(self, key: str) -> None:
        _refuse(key)

    def delete_version(self, key: str, etag: str) -> bool:  # noqa: ARG002 - as above
        _refuse(key)

    def delete_many(self, keys: Sequence[str]) -> None:
        for key in keys:
            _refuse(key)

    def close(self) -> None:
        self._target.close()

    def _send(self, key: str, chunks: Iterable[bytes]) -> str:
        """Send a file slice by slice, and return its ETag, if it has one slice. One slice is held back: only the last
        one may complete the size that each request names."""
        upload, start = os.urandom(8).hex(), 0
        slices = _slices(chunks)
        held = next(slices)
        for following in slices:
            self._send_slice(key, upload, start, held, start + len(held) + len(following))
            start, held = start + len(held), following
        return self._send_slice(key, upload, start, held, start + len(held))

    def _send_slice(self, key: str, upload: str, start: int, piece: bytes, total: int) -> str:
        body = base64.b64encode(piece).decode()
        given = {"key": key, "upload": upload, "start": start, "total": total, "body": body}
        return str(self._act("file_create", key, **given)["etag"])

    def _act(self, name: str, about: str, /, **arguments: Any) -> dict[str, Any]:
        given = {argument: value for argument, value in arguments.items() if value is not None}
        try:
            return self._target.act(Action(name, arguments=given))
        except SldbError as error:
            if error.code == "not_found":
                raise NotFound(about) from error
            if error.code == "exists":
                raise AlreadyExists(about) from error
            if error.code in ("bad_request", "forbidden", "read_only"):
                raise Refused(about, error.message) from error
            raise Unavailable(about, error.message) from error


def _slices(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in pieces of SLICE_BYTES, the last one shorter; one empty piece for no bytes."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) > SLICE_BYTES:
            yield bytes(held[:SLICE_BYTES])
            del held[:SLICE_BYTES]
    yield bytes(held)


def _refuse(key: str) -> NoReturn:
    raise Refused(key, "files are only copied by this way")
