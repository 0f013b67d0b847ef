"""The transport by presigned URLs: the function signs them, the bytes go directly between this machine and the bucket,
and the user needs no right but to invoke the function.

A URL is for one object and one verb, and expires after some minutes. S3 compares a part with the MD5 in its name, so a
damaged part is never stored.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from lambda_handlers.store.s3_responses import Failure, code_in, is_transient
from lambda_handlers.wire import SldbError
from sldb.aws.http import HttpReply
from sldb.client import Client
from sldb.push_pull.transport import FileVanished

TRIES = 5
FIRST_PAUSE_SECONDS = 0.5  # doubled from try to try
_SLACK_SECONDS = 60.0  # a URL is not used in its last minute

Exchange: TypeAlias = Callable[[str, str, bytes, Mapping[str, str]], HttpReply]  # verb, URL, body, headers; or OSError


class NoUrls(SldbError):
    """The function's store cannot sign URLs."""


class PresignedTransport:
    def __init__(self, client: Client, exchange: Exchange, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._exchange = exchange
        self._sleep = sleep
        self._signing = threading.Lock()
        self._urls: dict[str, tuple[str, float]] = {}  # file to read → URL, end of its use (monotonic)

    def put(self, upload: str, part: str, body: bytes) -> None:
        headers = {"Content-MD5": base64.b64encode(bytes.fromhex(part.partition("-")[2])).decode()}

        def url() -> str:
            return self._signed("push_urls", "parts", part, upload=upload)[0]

        self._exchange_with_retries(f"part {part}", "PUT", url, body, headers)

    def read(self, file: str, start: int, length: int) -> bytes:
        headers = {"Range": f"bytes={start}-{start + length - 1}"}
        answer = self._exchange_with_retries(file, "GET", lambda: self._url_of(file), b"", headers)
        if answer.status == 404:
            raise FileVanished(f"{file} no longer exists")
        # 200 with the whole file: a proxy on the way to S3 ignores ranges.
        body = answer.body[start : start + length] if answer.status == 200 else answer.body
        if len(body) != length:
            raise SldbError("corrupt", f"{file}: got {len(body)} bytes from {start} on, want {length}")
        return body

    def clear(self, upload: str) -> None:
        """Do nothing: the function may not delete; maintenance removes the parts after a day."""

    def _url_of(self, file: str) -> str:
        with self._signing:
            url, until = self._urls.get(file, ("", 0.0))
            if time.monotonic() >= until:
                url, seconds = self._signed("pull_urls", "files", file)
                self._urls[file] = (url, time.monotonic() + seconds - _SLACK_SECONDS)
            return url

    def _signed(self, action: str, what: str, name: str, **more: str) -> tuple[str, float]:
        reply = self._client.act(action, **{what: [name]}, **more)
        if reply["urls"] is None:
            raise NoUrls("store_error", "the function's store cannot sign URLs for the data", "use --through bucket")
        return reply["urls"][0], reply["seconds"]

    def _exchange_with_retries(
        self, what: str, verb: str, url: Callable[[], str], body: bytes, headers: Mapping[str, str]
    ) -> HttpReply:
        """Return a final response: a success, or 404 for a GET. Raises SldbError."""
        for tries_left in reversed(range(TRIES)):
            try:
                answer = self._exchange(verb, url(), body, headers)
                if answer.status < 300 or (verb == "GET" and answer.status == 404):
                    return answer
                failure = Failure(answer.status, code_in(answer.body[:2000].decode(errors="replace")))
                reason = f"S3 {failure}"
                if answer.status == 403:
                    self._urls.pop(what, None)  # it may have expired
                elif not is_transient(failure):
                    break
            except OSError as error:
                reason = str(error)
            if tries_left:
                self._sleep(FIRST_PAUSE_SECONDS * 2 ** (TRIES - 1 - tries_left))
        raise SldbError(
            "store_error",
            f"{what} cannot be moved: {reason}",
            "the same command continues where this one stopped",
            **({"applied": "no"} if verb == "PUT" else {}),
        )
