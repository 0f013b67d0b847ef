"""The targets `lambda` and `lambda:NAME`: invoke the deployed function and wait for its reply.
`sldb.targets.deployed_function` finds the function of a stack.

Every request has a `request_id`, so sending it again is safe: a request is sent again with back-off, a few times, if it
did not reach the function, was throttled or got a 5xx, and a crashed function is invoked once more. If there is no
response all the same, or Lambda stopped the function, the action `result` looks the id up: the user gets the reply of
the applied request. The same holds if a later try was refused: an earlier one, still running, may have the lock. A
request without a result then may be applied later, by a function that is still running or by a write from a stopped
container: the outcome is unknown, and the error says how the id resolves it.

If the function itself does not know whether a write was applied, the id is looked up in the same way.

An action has no id and is sent again all the same: a repetition finds its earlier effect.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import quote

from botocore.exceptions import ReadTimeoutError

from lambda_handlers.wire import SldbError
from sldb.aws.errors import WRONG_REGION_HINT, aws_errors, clock_hint, is_wrong_clock, is_wrong_region
from sldb.aws.http import HttpReply, SignedHttp, Unanswered
from sldb.aws.options import AwsOptions
from sldb.targets.deployed_function import DeployedFunction
from sldb.targets.doubt import InDoubt, sent_again
from sldb.targets.lambda_responses import (
    NoSuchFunction,
    cannot_start,
    crash_report,
    crashed,
    decode,
    is_temporary,
    lambda_error,
    temporary_refusal,
    timed_out,
)
from sldb.targets.remote import BACKOFF_SECONDS, SENDS, RemoteTarget
from sldb.trace_parent import lambda_headers

T = TypeVar("T")

READ_SECONDS = 930.0  # Lambda's longest run is 900: after this no function works on the request
MAX_REQUEST_BYTES = 6 * 1024 * 1024  # of a synchronous invocation


class LambdaTarget(RemoteTarget):
    def __init__(
        self,
        function: str | DeployedFunction,
        aws: AwsOptions,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        super().__init__(sleep)
        self.deployed_function = DeployedFunction.of(function, aws)
        self.aws = aws
        self._read_seconds = read_seconds
        self._http: SignedHttp | None = None

    @property
    def function(self) -> str:
        """The function's name, as far as it is known."""
        return self.deployed_function.name

    @property
    def name(self) -> str:
        return f"lambda:{self.function}"

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def _decoded(self, database: str, event: dict[str, Any], read: Callable[[Any], T]) -> T:
        function = self.function
        try:
            return decode(self._invoke(self.deployed_function.addressed(event)), function, read)
        except SldbError as error:
            if self._is_corrected(function, error):
                return self._decoded(database, event, read)
            if (field := error.details.get("field")) in _NEW_FIELDS:
                raise _too_old(function, field, error) from error
            if error.details.get("applied") != "unknown":
                raise
            raise InDoubt(error) from error

    def _is_corrected(self, function: str, error: SldbError) -> bool:
        """Return True if the same event is to be sent again, corrected. Raises SldbError: nothing ran, then."""
        try:
            return self.deployed_function.correct(function, error)
        except SldbError as found:
            found.details["applied"] = "no"
            raise

    def _invoke(self, event: dict[str, Any]) -> HttpReply:
        """Return a response of the function's own. Raises SldbError if nothing ran, else InDoubt."""
        body = json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
        if len(body) > MAX_REQUEST_BYTES:
            raise _too_large(f"the request has {len(body):,} bytes; Lambda takes {MAX_REQUEST_BYTES:,}")
        response, may_have_run = self._deliver(body)
        if crashed(response) and not timed_out(response):
            response, may_have_run = self._deliver(body, may_have_run or not cannot_start(response))
        if crashed(response):
            raise self._crash(response, may_have_run)
        refusal = temporary_refusal(response)
        if refusal is not None and may_have_run:
            raise InDoubt(sent_again(refusal))
        return response

    def _deliver(self, body: bytes, may_have_run: bool = False) -> tuple[HttpReply, bool]:
        """Send until the response is final; return it, and True if one of the tries before it may have run: one without
        a usable response, or one of an earlier delivery. Raises as `_invoke` does."""
        try:
            with aws_errors(f"invoke {self.function}"):
                http = self._connection()
                for sends_left in reversed(range(SENDS)):
                    try:
                        response = self._post(http, body)
                        may_have_run |= response.status >= 500
                        if not (sends_left and is_temporary(response)):
                            break
                    except Unanswered as failed:
                        may_have_run |= failed.was_sent
                        if not sends_left:
                            raise failed.error from None
                    self._sleep(BACKOFF_SECONDS * 2 ** (SENDS - sends_left) * random.uniform(0.5, 1.0))
            if response.status >= 400:
                raise self._refused(response, http)
        except SldbError as error:
            if may_have_run:
                raise InDoubt(error) from error
            error.details["applied"] = "no"
            raise
        return response, may_have_run

    def _post(self, http: SignedHttp, body: bytes) -> HttpReply:
        """Send once. Raises Unanswered; InDoubt if the function was silent for as long as it may run."""
        try:
            path = f"/2015-03-31/functions/{quote(self.function, safe='')}/invocations"
            return http.post(path, body, lambda_headers())
        except Unanswered as failed:
            if not (failed.was_sent and isinstance(failed.error, ReadTimeoutError)):
                raise
            seconds = f"{self._read_seconds:.0f} s"
            silence = SldbError("store_error", f"{self.function} did not answer within {seconds}", "try again")
            raise InDoubt(silence, may_come_yet=False) from failed

    def _download(self, url: str) -> Iterator[bytes]:
        return self._connection().download(url)

    def _connection(self) -> SignedHttp:
        if self._http is None:
            self._http = SignedHttp("lambda", self.aws, self._read_seconds)
        return self._http

    def _refused(self, response: HttpReply, http: SignedHttp) -> SldbError:
        """Return the error for a response of Lambda's own: nothing ran."""
        code, message = lambda_error(response)
        there = f"{self.function} in {http.region}"
        if code == "ResourceNotFoundException":
            return NoSuchFunction(self.function, http.region)
        if response.status == 413:
            return _too_large(f"Lambda refused the request: {message}")
        if code == "TooManyRequestsException":
            return SldbError("store_error", f"{there} is throttled: {message}", "try again later")
        if is_wrong_clock(code, message):
            refused = f"AWS refused to invoke {there}: {message} [{code}]"
            return SldbError("store_error", refused, clock_hint(response.headers.get("date")))
        if is_wrong_region(message):
            return SldbError("store_error", f"AWS refused to invoke {there}: {message} [{code}]", WRONG_REGION_HINT)
        if response.status in (401, 403):
            return SldbError(
                "store_error",
                f"AWS refused to invoke {there}: {message} [{code}]",
                "check the credentials (aws sts get-caller-identity); they need lambda:InvokeFunction",
            )
        return SldbError("store_error", f"{there} cannot be invoked: {message} [{code}]", "sldb status shows more")

    def _crash(self, response: HttpReply, may_have_run: bool) -> SldbError | InDoubt:
        """Return the error for a function that crashed or could not start. `may_have_run`: an earlier try may have."""
        message, _ = crash_report(response)
        if cannot_start(response):
            said, hint = f"{self.function} cannot start: {message}", "sldb deploy installs it again"
            error = SldbError("store_error", said, hint, applied="no")
            return InDoubt(error) if may_have_run else error
        if timed_out(response):
            hint = "make it do less, or give the function more time: sldb deploy --timeout SECONDS"
            error = SldbError("query_timeout", f"Lambda stopped {self.function}: {message}", hint)
        else:
            error = SldbError("internal", f"{self.function} crashed, twice: {message}", "sldb logs shows more")
        return InDoubt(error)


# The fields that a function of an older version refuses: what it cannot do, and a way besides the update.
_NEW_FIELDS = {
    "create": ("cannot be kept from creating a database", "; --create allows it"),
    "transaction": ("has no transactions over several requests", ""),
}


def _too_old(function: str, field: str, refusal: SldbError) -> SldbError:
    lack, way = _NEW_FIELDS[field]
    message = f"{function} is of an older version, which {lack}"
    return SldbError(refusal.code, message, f"sldb deploy brings it up to date{way}", field=field, applied="no")


def _too_large(message: str) -> SldbError:
    return SldbError(
        "too_large",
        message,
        "split it into several requests; sldb import loads data in pieces, sldb push a whole database",
        applied="no",
    )
