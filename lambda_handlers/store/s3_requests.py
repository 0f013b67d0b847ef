"""Signed requests to the objects of one bucket and prefix, for calls that obstore lacks. They are sent again after no
answer, an incomplete answer, 5xx, and a few other transient refusals.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from html import unescape
from typing import IO
from urllib.parse import quote, urlsplit

from lambda_handlers.aws.connections import Answer, Connections, NoAnswer, Unreached
from lambda_handlers.aws.sigv4 import canonical_query, sign
from lambda_handlers.settings import Credentials
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.shared.endpoints import Endpoint
from lambda_handlers.store.s3_responses import Failure, code_in, is_transient
from lambda_handlers.store.s3_retries import send_with_retries

TRIES = 5
FIRST_PAUSE_SECONDS = 0.2  # doubled from try to try
ANSWER_SECONDS = 120.0  # to wait for a packet; a copied part takes S3 some seconds


@dataclass(frozen=True, slots=True)
class FileBody:
    """A body in a file."""

    file: IO[bytes]
    length: int  # bytes
    sha256: str  # in hex


class S3Requests:
    """A sender of requests. Safe for threads."""

    def __init__(
        self,
        region: str,
        credentials: Credentials,
        bucket: str,
        prefix: str,
        endpoint: Endpoint,  # the bucket is part of its URL
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        inside = f"{prefix.strip('/')}/" if prefix else ""
        self._root = f"{urlsplit(endpoint.url).path}/{inside}"
        self._source_root = f"/{bucket}/{inside}"
        self._region = region
        self._credentials = credentials
        self._now = now
        self._sleep = sleep
        self._connections = Connections(endpoint, ANSWER_SECONDS, now)

    def send(
        self,
        method: str,
        key: str,
        query: Sequence[tuple[str, str]],
        body: bytes | FileBody = b"",
        headers: Mapping[str, str] | None = None,
        *,
        expects: str = "",
        tries: int = TRIES,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Answer:
        """Return a good answer, with an element of the name `expects` in it. Raises S3Error. Sends again while that may
        help and `is_wanted`."""

        def attempt() -> Answer | Failure:
            try:
                answer = self._send_once(method, key, query, body, headers or {})
            except NoAnswer as error:
                was_sent = not isinstance(error, Unreached)
                reason = "no answer" if was_sent else "no connection"
                return Failure(0, reason=reason, detail=str(error), was_sent=was_sent)
            return answer if _is_good(answer, expects) else _failure_of(answer)

        def may_retry(failure: Failure) -> bool:
            return is_transient(failure) and is_wanted()

        return send_with_retries(attempt, tries, FIRST_PAUSE_SECONDS, self._sleep, may_retry)

    def copy_source(self, key: str) -> str:
        """Return the value of x-amz-copy-source."""
        return quote(self._source_root + key, safe="/~")

    def close(self) -> None:
        self._connections.close()

    def _send_once(
        self, method: str, key: str, query: Sequence[tuple[str, str]], body: bytes | FileBody, more: Mapping[str, str]
    ) -> Answer:
        path, canonical = self._root + key, canonical_query(query)
        headers = {"host": self._connections.host, **more}
        sent, digest = (body, None) if isinstance(body, bytes) else (body.file, body.sha256)
        sign(
            headers,
            body if isinstance(body, bytes) else b"",
            service="s3",
            region=self._region,
            credentials=self._credentials,
            now=self._now(),
            method=method,
            path=path,
            query=canonical,
            digest=digest,
        )
        target = f"{quote(path, safe='/~')}?{canonical}" if canonical else quote(path, safe="/~")
        if isinstance(body, FileBody):
            body.file.seek(0)
            headers["content-length"] = str(body.length)
        return self._connections.send(method, target, sent, headers)


def element(answer: Answer, name: str) -> str:
    """Return the text of the first element of this name; empty if there is none."""
    match = re.search(rf"<{name}>([^<]*)</{name}>", answer.body.decode(errors="replace"))
    return unescape(match[1]) if match else ""


def _failure_of(answer: Answer) -> Failure:
    # A completion that takes long answers 200 before it knows how it ends.
    status = answer.status if answer.status >= 300 else 500
    text = answer.body[:2000].decode(errors="replace")
    return Failure(status, code_in(text), detail=f"{answer.status} {text}")


def _is_good(answer: Answer, expects: str) -> bool:
    return (
        200 <= answer.status < 300 and b"<Error>" not in answer.body and (not expects or bool(element(answer, expects)))
    )
