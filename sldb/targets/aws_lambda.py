"""The targets `lambda` and `lambda:NAME`: invoke the deployed function and wait for its reply. Which function that is,
and how a stack's is found, is `sldb.targets.deployed_function`'s business.

Every request has a `request_id`, so sending it again is safe: what did not reach the function, was throttled or got
a 5xx is sent again with back-off, a few times, and a function that crashed is asked once more. Where there is no answer
all the same, or Lambda stopped the function, the function is asked what became of the id (the action `result`): the
user gets the reply of what was applied. So too where a later try was refused, a lock being taken perhaps by an earlier
one that is at work yet. What is not there then may come yet, from a function that nobody has heard of or from the line
that a container that was stopped has left behind: the outcome is unknown, and the error says how the id resolves it.

Where the function itself does not know whether a write was applied, it is asked in the same way.

An action has no id and is sent again all the same: it finds done what it did before.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

from botocore.exceptions import ReadTimeoutError

from lambda_handlers.wire import Action, Reply, Request, SldbError
from sldb.aws.errors import aws_errors, clock_hint, is_wrong_clock
from sldb.aws.http import HttpReply, SignedHttp, Unanswered
from sldb.aws.options import AwsOptions
from sldb.targets import stored_rows
from sldb.targets.deployed_function import DeployedFunction
from sldb.targets.lambda_responses import (
    NoSuchFunction,
    cannot_start,
    crash_report,
    crashed,
    decode,
    lambda_error,
    may_pass,
    refused_for_now,
    timed_out,
)
from sldb.targets.protocol import with_id

T = TypeVar("T")

READ_SECONDS = 930.0  # Lambda's longest run is 900: after this nobody is at work on the request
MAX_REQUEST_BYTES = 6 * 1024 * 1024  # of a synchronous invocation
SETTLE_SECONDS = 1.0  # a write that a container had on its way when it was stopped has mostly arrived by then
SENDS = 4  # in all, for one request
BACKOFF_SECONDS = 0.1  # doubles with every send; with jitter


class LambdaTarget:
    def __init__(
        self,
        function: str | DeployedFunction,
        aws: AwsOptions,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.deployed_function = (
            function if isinstance(function, DeployedFunction) else DeployedFunction(aws, function=function)
        )
        self.aws = aws
        self._sleep = sleep
        self._read_seconds = read_seconds
        self._http: SignedHttp | None = None

    @property
    def function(self) -> str:
        """The function's name, as far as it is known."""
        return self.deployed_function.function

    @property
    def name(self) -> str:
        return f"lambda:{self.function}"

    def send(self, request: Request) -> Reply:
        """As the function replies; `store_error` where it cannot be reached or is not there."""
        request = with_id(request)
        again = (
            f"the same statement with --request-id {request.request_id} tells what became of it, and applies nothing "
            "twice"
        )
        try:
            reply = self._decoded(request.encode(), Reply.decode)
        except _InDoubt as doubt:
            if request.read_only or request.at is not None:
                doubt.error.details.pop("applied", None)  # it writes nothing
                raise doubt.error from doubt
            reply = self._find_out(request, doubt, again)
        return stored_rows.fetch(reply, self._connection().download, again, self._sleep)

    def act(self, action: Action) -> dict[str, Any]:
        """As the function replies; `store_error` where it cannot be reached or is not there."""
        try:
            return self._decoded(action.encode(), dict)
        except _InDoubt as doubt:
            raise doubt.unresolved("the same command again finds what was done, and goes on from there") from doubt

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        """As the function replies; `store_error` where it cannot be reached or is not there."""
        told = self.act(Action("result", database, {"request_id": request_id}))
        if told["reply"] is None:
            return told, None
        reply = Reply.decode(told["reply"])
        return told, stored_rows.fetch(reply, self._connection().download, "ask again", self._sleep)

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def _decoded(self, event: dict[str, Any], read: Callable[[Any], T]) -> T:
        """Raises _InDoubt also where the function itself does not know what became of it."""
        function = self.function
        try:
            return decode(self._ask(self.deployed_function.stamped(event)), function, read)
        except SldbError as error:
            if self._is_corrected(function, error):
                return self._decoded(event, read)
            if error.details.get("field") == "create":
                raise _too_old(function, error) from error
            if error.details.get("applied") != "unknown":
                raise
            raise _InDoubt(error) from error

    def _is_corrected(self, function: str, error: SldbError) -> bool:
        """Return whether the same event goes to another function now. Raises SldbError: nothing ran, then."""
        try:
            return self.deployed_function.is_corrected(function, error)
        except SldbError as found:
            found.details["applied"] = "no"
            raise

    def _find_out(self, request: Request, doubt: _InDoubt, again: str) -> Reply:
        """The reply of a request that may have been applied, if it was."""
        self._sleep(SETTLE_SECONDS)
        try:
            _, reply = self.result(request.database, str(request.request_id))
        except SldbError as error:
            raise doubt.unresolved(again) from error
        if reply is not None:
            return reply
        raise doubt.not_applied(again) from doubt

    def _ask(self, event: dict[str, Any]) -> HttpReply:
        """An answer of the function's own. Raises SldbError where nothing ran, else _InDoubt."""
        body = json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
        if len(body) > MAX_REQUEST_BYTES:
            raise _too_large(f"the request has {len(body):,} bytes; Lambda takes {MAX_REQUEST_BYTES:,}")
        answer, may_have_run = self._deliver(body)
        if crashed(answer) and not timed_out(answer):
            answer, may_have_run = self._deliver(body, may_have_run or not cannot_start(answer))
        if crashed(answer):
            raise self._crash(answer, may_have_run)
        refusal = refused_for_now(answer)
        if refusal is not None and may_have_run:
            raise _InDoubt(_sent_again(refusal))
        return answer

    def _deliver(self, body: bytes, may_have_run: bool = False) -> tuple[HttpReply, bool]:
        """Send until there is an answer that sending again would not change, and return that, and whether one of the
        tries before it may have run: one that had no usable answer, or an earlier delivery's. Raises as `_ask` does."""
        try:
            with aws_errors(f"invoke {self.function}"):
                http = self._connection()
                for sends_left in reversed(range(SENDS)):
                    try:
                        answer = self._post(http, body)
                        may_have_run |= answer.status >= 500
                        if not (sends_left and may_pass(answer)):
                            break
                    except Unanswered as failed:
                        may_have_run |= failed.was_sent
                        if not sends_left:
                            raise failed.error from None
                    self._sleep(BACKOFF_SECONDS * 2 ** (SENDS - sends_left) * random.uniform(0.5, 1.0))
            if answer.status >= 400:
                raise self._refused(answer, http)
        except SldbError as error:
            if may_have_run:
                raise _InDoubt(error) from error
            error.details["applied"] = "no"
            raise
        return answer, may_have_run

    def _post(self, http: SignedHttp, body: bytes) -> HttpReply:
        """Raises Unanswered; _InDoubt where the function was silent for as long as it may run."""
        try:
            return http.post(f"/2015-03-31/functions/{quote(self.function, safe='')}/invocations", body)
        except Unanswered as failed:
            if not (failed.was_sent and isinstance(failed.error, ReadTimeoutError)):
                raise
            seconds = f"{self._read_seconds:.0f} s"
            silence = SldbError("store_error", f"{self.function} did not answer within {seconds}", "try again")
            raise _InDoubt(silence, may_come_yet=False) from failed

    def _connection(self) -> SignedHttp:
        if self._http is None:
            self._http = SignedHttp("lambda", self.aws, self._read_seconds)
        return self._http

    def _refused(self, answer: HttpReply, http: SignedHttp) -> SldbError:
        """Lambda's own errors: nothing ran."""
        code, message = lambda_error(answer)
        there = f"{self.function} in {http.region}"
        if code == "ResourceNotFoundException":
            return NoSuchFunction(self.function, http.region)
        if answer.status == 413:
            return _too_large(f"Lambda refused the request: {message}")
        if code == "TooManyRequestsException":
            return SldbError("store_error", f"{there} is throttled: {message}", "try again later")
        if is_wrong_clock(code, message):
            refused = f"AWS refused to invoke {there}: {message} [{code}]"
            return SldbError("store_error", refused, clock_hint(answer.headers.get("date")))
        if answer.status in (401, 403):
            return SldbError(
                "store_error",
                f"AWS refused to invoke {there}: {message} [{code}]",
                "check the credentials (aws sts get-caller-identity); they need lambda:InvokeFunction",
            )
        return SldbError("store_error", f"{there} cannot be invoked: {message} [{code}]", "sldb status tells more")

    def _crash(self, answer: HttpReply, may_have_run: bool) -> SldbError | _InDoubt:
        """The function did not end as it should, or could not begin. `may_have_run`: an earlier try may have."""
        message, _ = crash_report(answer)
        if cannot_start(answer):
            said, hint = f"{self.function} cannot start: {message}", "sldb deploy installs it again"
            error = SldbError("store_error", said, hint, applied="no")
            return _InDoubt(error) if may_have_run else error
        if timed_out(answer):
            hint = "make it do less, or give the function more time: sldb deploy --timeout SECONDS"
            error = SldbError("query_timeout", f"Lambda stopped {self.function}: {message}", hint)
        else:
            error = SldbError("internal", f"{self.function} crashed, twice: {message}", "sldb logs tells more")
        return _InDoubt(error)


class _InDoubt(Exception):
    """The request may have been applied, and nobody has said so. `error` tells what happened; `may_come_yet`, whether
    it may be applied later than anybody can ask: a function may be at work on it, or a container that was stopped may
    have left its commit on the way, to a store that takes its time."""

    def __init__(self, error: SldbError, *, may_come_yet: bool = True) -> None:
        super().__init__(error.message)
        self.error = error
        self._may_come_yet = may_come_yet

    def unresolved(self, again: str) -> SldbError:
        return self._told(self.error.message, again, "unknown")

    def not_applied(self, again: str) -> SldbError:
        if self._may_come_yet:
            message = f"{self.error.message}; asked afterwards, it had not been applied yet"
            return self._told(message, f"{again}; {self.error.hint}" if self.error.hint else again, "unknown")
        return self._told(f"{self.error.message}; it was asked for afterwards", self.error.hint, "no")

    def _told(self, message: str, hint: str, applied: str) -> SldbError:
        return SldbError(self.error.code, message, hint, **{**self.error.details, "applied": applied})


def _sent_again(refusal: SldbError) -> SldbError:
    """Who answered last speaks for his own try, and not for those before it, of which nobody has heard."""
    return SldbError(refusal.code, f"{refusal.message}, when it was sent again", refusal.hint, **refusal.details)


def _too_old(function: str, refusal: SldbError) -> SldbError:
    """Return what to do about a function that does not know the field `create`, which keeps it from creating."""
    message = f"{function} is of an older version, which cannot be kept from creating a database"
    hint = "sldb deploy brings it up to date; --create allows it"
    return SldbError(refusal.code, message, hint, field="create", applied="no")


def _too_large(what: str) -> SldbError:
    return SldbError(
        "too_large",
        what,
        "split it into several requests; sldb import loads data in pieces, sldb push a whole database",
        applied="no",
    )
