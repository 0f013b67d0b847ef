"""Carries a push or pull by addresses that the function signs: the bytes go between this machine and the bucket, and
the user needs no right but to invoke the function.

An address is for one object and one verb, and ends after some minutes. S3 compares a part with the MD5 that goes with
it, so that none is stored which was damaged on the way.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from lambda_handlers.store.s3_responses import Failure, code_in, may_pass
from lambda_handlers.wire import SldbError
from sldb.aws.http import HttpReply
from sldb.client import Client
from sldb.push_pull.transport import Vanished

TRIES = 5
FIRST_PAUSE_SECONDS = 0.5  # doubled from try to try
_SLACK_SECONDS = 60.0  # an address is not used in its last minute

Exchange: TypeAlias = Callable[[str, str, bytes, Mapping[str, str]], HttpReply]  # verb, URL, body, headers; or OSError


class AddressCarrier:
    def __init__(self, client: Client, exchange: Exchange, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._exchange = exchange
        self._sleep = sleep
        self._asking = threading.Lock()
        self._addresses: dict[str, tuple[str, float]] = {}  # of each file to read: URL, and until when (monotonic)

    def put(self, upload: str, part: str, body: bytes) -> None:
        headers = {"Content-MD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}

        def address() -> str:
            return self._signed("push_urls", "parts", part, upload=upload)[0]

        self._insist(f"part {part}", "PUT", address, body, headers)

    def read(self, file: str, start: int, length: int) -> bytes:
        headers = {"Range": f"bytes={start}-{start + length - 1}"}
        answer = self._insist(file, "GET", lambda: self._address_of(file), b"", headers)
        if answer.status == 404:
            raise Vanished(f"{file} is not there any more")
        # 200 with all of it: what is between us and S3 knows no ranges.
        body = answer.body[start : start + length] if answer.status == 200 else answer.body
        if len(body) != length:
            raise SldbError("corrupt", f"{file}: got {len(body)} bytes from {start} on, want {length}")
        return body

    def clear(self, upload: str) -> None:
        """The function may not: maintenance removes them after a day."""

    def _address_of(self, file: str) -> str:
        with self._asking:
            url, until = self._addresses.get(file, ("", 0.0))
            if time.monotonic() >= until:
                url, seconds = self._signed("pull_urls", "files", file)
                self._addresses[file] = (url, time.monotonic() + seconds - _SLACK_SECONDS)
            return url

    def _signed(self, action: str, what: str, name: str, **more: str) -> tuple[str, float]:
        reply = self._client.act(action, **{what: [name]}, **more)
        if reply["urls"] is None:
            raise SldbError(
                "store_error", "the function's store has no addresses to move data by", "use --through bucket"
            )
        return reply["urls"][0], reply["seconds"]

    def _insist(
        self, what: str, verb: str, address: Callable[[], str], body: bytes, headers: Mapping[str, str]
    ) -> HttpReply:
        """An answer that another try would not change: it is well, or there is no such object."""
        for tries_left in reversed(range(TRIES)):
            try:
                answer = self._exchange(verb, address(), body, headers)
                if answer.status < 300 or (verb == "GET" and answer.status == 404):
                    return answer
                failure = Failure(answer.status, code_in(answer.body[:2000].decode(errors="replace")))
                reason = f"S3 {failure}"
                if answer.status == 403:
                    self._addresses.pop(what, None)  # perhaps it has ended
                elif not may_pass(failure):
                    break
            except OSError as error:
                reason = str(error)
            if tries_left:
                self._sleep(FIRST_PAUSE_SECONDS * 2 ** (TRIES - 1 - tries_left))
        raise SldbError(
            "store_error",
            f"{what} cannot be moved: {reason}",
            "the same command again goes on where this one stopped",
            **({"applied": "no"} if verb == "PUT" else {}),
        )
