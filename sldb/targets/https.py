"""The target `https://…`: the HTTP interface of a function behind API Gateway, or of `sldb serve`.

Requests are sent again as to Lambda (`sldb.targets.aws_lambda`), and are as safe: each has a `request_id`, an action
finds its earlier effect, and a write without an answer is looked up by its id. A front may give up before the function
does (API Gateway after 30 s): its 5xx means that the request may have run.

Credentials (`sldb.targets.http_auth`) go to the target's own address only. A 303 is the address of a reply too large
for the front: it is fetched without them. No other redirect is followed.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from lambda_handlers.wire import Action, Reply, Request, SldbError
from sldb.aws.errors import aws_errors
from sldb.aws.http import HttpReply, Unanswered, UrlHttp
from sldb.aws.options import AwsOptions
from sldb.targets import http_refusals, stored_rows
from sldb.targets.doubt import InDoubt, may_apply, sent_again
from sldb.targets.http_auth import IAM, HttpAuth
from sldb.targets.lambda_responses import TEMPORARY
from sldb.targets.protocol import with_id

T = TypeVar("T")

READ_SECONDS = 930.0  # Lambda's longest run is 900
SETTLE_SECONDS = 1.0  # most writes of a request that was given up have arrived by then
SENDS = 4  # in all, for one request
BACKOFF_SECONDS = 0.1  # doubles with every send; with jitter


class HttpsTarget:
    def __init__(
        self,
        url: str,
        auth: HttpAuth,
        aws: AwsOptions,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.name = url
        self.aws = aws  # of its profile the proxies and certificates count
        self._auth = auth
        self._sleep = sleep
        self._read_seconds = read_seconds
        self._http: UrlHttp | None = None

    def send(self, request: Request) -> Reply:
        """Return the reply. Raises `store_error` if the target cannot be reached."""
        request = with_id(request)
        again = (
            f"the same statement with --request-id {request.request_id} returns its result, and applies nothing twice"
        )
        try:
            reply = self._decoded(request.database, request.encode(), Reply.decode)
        except InDoubt as doubt:
            if not may_apply(request):
                doubt.error.details.pop("applied", None)  # it writes nothing
                raise doubt.error from doubt
            reply = self._look_up_result(request, doubt, again)
        return stored_rows.fetch(reply, self._connection().download, again, self._sleep)

    def act(self, action: Action) -> dict[str, Any]:
        """Return the reply to an action. Raises as `send` does."""
        try:
            return self._decoded(action.database, action.encode(), dict)
        except InDoubt as doubt:
            raise doubt.unresolved("the same command again finds what was done, and goes on from there") from doubt

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        """Return the reply to the action `result`. Raises as `send` does."""
        found = self.act(Action("result", database, {"request_id": request_id}))
        if found["reply"] is None:
            return found, None
        reply = Reply.decode(found["reply"])
        return found, stored_rows.fetch(reply, self._connection().download, "ask again", self._sleep)

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def _look_up_result(self, request: Request, doubt: InDoubt, again: str) -> Reply:
        """Return the reply of a request that may have been applied. Raises SldbError if it was not found."""
        self._sleep(SETTLE_SECONDS)
        try:
            _, reply = self.result(request.database, str(request.request_id))
        except SldbError as error:
            raise doubt.unresolved(again) from error
        if reply is None:
            raise doubt.not_applied(again) from doubt
        return reply

    def _decoded(self, database: str, event: dict[str, Any], read: Callable[[Any], T]) -> T:
        """Return the decoded reply. Raises SldbError if nothing ran or for the error in a reply, else InDoubt."""
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
        address = str(response.headers.get("location", ""))
        if urlsplit(address).scheme not in {"https", urlsplit(self.name).scheme}:
            raise SldbError("store_error", f"{self.name} redirects to an address that is not https")
        try:
            return b"".join(self._connection().download(address))
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

    def _connection(self) -> UrlHttp:
        if self._http is None:
            auth = self._auth
            self._http = UrlHttp(self.name, auth.headers, self.aws, self._read_seconds, is_signed=auth.kind == IAM)
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
