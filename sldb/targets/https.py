"""The target `https://…`: the HTTP interface of a function behind API Gateway, or of `sldb serve`.

Requests are sent again as to Lambda, and are as safe (`sldb.targets.remote`). A front may give up before the function
does (API Gateway after 30 s): its 5xx means that the request may have run.

Rows too many for a response have an address of their own, as for a direct invocation (`x-sldb-links`).

Credentials (`sldb.targets.http_auth`) go to the target's own address only. A 303 is the address of a reply too large
for the front: it is fetched without them. No other redirect is followed.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors
from sldb.aws.http import HttpReply, Unanswered, UrlHttp
from sldb.aws.options import AwsOptions
from sldb.targets import http_refusals
from sldb.targets.doubt import InDoubt, sent_again
from sldb.targets.http_auth import IAM, HttpAuth
from sldb.targets.lambda_responses import TEMPORARY
from sldb.targets.remote import BACKOFF_SECONDS, SENDS, RemoteTarget
from sldb.trace_parent import http_headers

T = TypeVar("T")

LINKS = "x-sldb-links"
READ_SECONDS = 930.0  # Lambda's longest run is 900


class HttpsTarget(RemoteTarget):
    def __init__(
        self,
        url: str,
        auth: HttpAuth,
        aws: AwsOptions,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        super().__init__(sleep)
        self.name = url
        self.aws = aws  # of its profile the proxies and certificates count
        self._auth = auth
        self._read_seconds = read_seconds
        self._http: UrlHttp | None = None
        self._open_http: Callable[..., Any] = UrlHttp

    def go_through(self, open_http: Callable[..., Any], sleep: Callable[[float], None]) -> None:
        """Send requests by another transport like UrlHttp, and pause by another function."""
        self._open_http, self._sleep = open_http, sleep

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def _decoded(self, database: str, event: dict[str, Any], read: Callable[[Any], T]) -> T:
        body = json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
        response, may_have_run = self._deliver(f"/{database}/query", body)
        error = _own_error(response)
        if error is not None:
            if error.details.get("applied") == "unknown":
                raise InDoubt(error)
            if may_have_run and error.code in TEMPORARY:
                raise InDoubt(sent_again(error))
            raise error
        try:
            return read(json.loads(self._whole(response)))
        except (ValueError, KeyError, TypeError) as wrong:
            raise SldbError(
                "internal",
                f"{self.name} responded with something else than a reply of sldb ({type(wrong).__name__})",
                "is it the address of sldb's HTTP interface?",
                applied="unknown",
            ) from wrong

    def _whole(self, response: HttpReply) -> bytes:
        """Return the body of a reply; for a 303, that at its address."""
        if response.status != 303:
            return response.body
        try:
            return b"".join(self._download(str(response.headers.get("location", ""))))
        except OSError as error:
            refused = SldbError("store_error", f"the reply cannot be read from the store: {error}", "try again")
            raise InDoubt(refused) from error

    def _deliver(self, path: str, body: bytes) -> tuple[HttpReply, bool]:
        """Send until the response is final; return it, and True if one of the tries before it may have run. Raises
        SldbError if nothing ran, else InDoubt."""
        may_have_run = False
        try:
            with aws_errors(f"reach {self.name}"):
                for sends_left in reversed(range(SENDS)):
                    try:
                        response = self._connection().post(path, body)
                        if not _is_fronts_own(response):
                            return response, may_have_run
                        may_have_run |= response.status >= 500
                        if not (sends_left and http_refusals.is_temporary(response)):
                            break
                    except Unanswered as failed:
                        may_have_run |= failed.was_sent
                        if not sends_left:
                            raise failed.error from None
                    self._sleep(BACKOFF_SECONDS * 2 ** (SENDS - sends_left) * random.uniform(0.5, 1.0))
            raise http_refusals.refusal(self.name, self._auth, response)
        except SldbError as error:
            if may_have_run:
                raise InDoubt(error) from error
            error.details["applied"] = "no"
            raise

    def _download(self, url: str) -> Iterator[bytes]:
        if urlsplit(url).scheme not in {"https", urlsplit(self.name).scheme}:
            raise SldbError("store_error", f"{self.name} leads to an address that is not https")
        return self._connection().download(url)

    def _connection(self) -> UrlHttp:
        if self._http is None:
            auth = self._auth
            headers = {LINKS: "true", **http_headers(), **auth.headers}
            self._http = self._open_http(self.name, headers, self.aws, self._read_seconds, is_signed=auth.kind == IAM)
        return self._http


def _own_error(response: HttpReply) -> SldbError | None:
    """Return the error in the body of a response, if it is one of sldb's."""
    if response.status < 400:
        return None
    try:
        return SldbError.decode(json.loads(response.body))
    except (ValueError, KeyError, TypeError):
        return None


def _is_fronts_own(response: HttpReply) -> bool:
    """Return True for a response that is not sldb's: of API Gateway, a proxy, or another server. A missing or wrong
    token is the front's affair, also where sldb itself is the front."""
    if response.status in (200, 303):
        return False
    return response.status == 401 or _own_error(response) is None
