"""The transport through the function itself: for stores that sign no URLs, such as EFS.

The bytes pass through requests of Lambda in slices; the user needs no right but to invoke the function.
"""

from __future__ import annotations

import base64

from lambda_handlers.store.protocol import SLICE_BYTES
from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.push_pull.transport import FileVanished


class SlicedTransport:
    def __init__(self, client: Client) -> None:
        self._client = client

    def put(self, upload: str, part: str, body: bytes) -> None:
        for start in range(0, max(1, len(body)), SLICE_BYTES):
            piece = base64.b64encode(body[start : start + SLICE_BYTES]).decode()
            self._client.act("push_part", upload=upload, part=part, start=start, total=len(body), body=piece)

    def read(self, file: str, start: int, length: int) -> bytes:
        pieces = []
        for at in range(start, start + length, SLICE_BYTES):
            wanted = min(SLICE_BYTES, start + length - at)
            try:
                reply = self._client.act("pull_part", file=file, start=at, length=wanted)
            except SldbError as error:
                if error.code == "not_found":
                    raise FileVanished(f"{file} no longer exists") from error
                raise
            pieces.append(base64.b64decode(reply["body"]))
        body = b"".join(pieces)
        if len(body) != length:
            raise SldbError("corrupt", f"{file}: got {len(body)} bytes from {start} on, want {length}")
        return body

    def clear(self, upload: str) -> None:
        """Do nothing: the function may not delete; maintenance removes the parts after a day."""
