"""The target `lambda:NAME`: invoke the deployed function and wait for its reply.

Every request has a `request_id`, so sending it again is safe: what did not reach the function, was throttled or got
a 5xx is sent again with back-off, a few times. A function that crashed is asked once more with the same id, which
answers definitely; if it crashes again, the error says that the outcome is unknown and how the id resolves it. An
action has no id and is sent again all the same: it finds done what it did before.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError, ReadTimeoutError

from lambda_handlers.wire import Action, Reply, Request, SldbError
from sldb.deploy.failures import aws_errors
from sldb.targets import far_rows
from sldb.targets.aws_http import HttpReply, SignedHttp
from sldb.targets.protocol import AwsOptions, with_id

T = TypeVar("T")

READ_SECONDS = 930.0  # Lambda's longest run is 900
SENDS = 4  # in all, for one request
BACKOFF_SECONDS = 0.1  # doubles with every send; with jitter


class LambdaTarget:
    def __init__(self, function: str, aws: AwsOptions, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = f"lambda:{function}"
        self._function = function
        self._aws = aws
        self._sleep = sleep
        self._http: SignedHttp | None = None

    def send(self, request: Request) -> Reply:
        """As the function replies; `store_error` where it cannot be reached or is not there."""
        request = with_id(request)
        reply = _decode(self._ask(request.encode(), read_only=request.read_only), self._function, Reply.decode)
        return far_rows.fetch(reply, self._connection().download, _ask_again(request.request_id), self._sleep)

    def act(self, action: Action) -> dict[str, Any]:
        """As the function replies; `store_error` where it cannot be reached or is not there."""
        return _decode(self._ask(action.encode(), read_only=False), self._function, dict)

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def _ask(self, event: dict[str, Any], *, read_only: bool) -> HttpReply:
        """An answer of the function's own; raises SldbError where it crashes again and again."""
        body = json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
        again = _ask_again(event.get("request_id"))
        answer = self._deliver(body, again)
        if _crashed(answer) and not _timed_out(answer):
            answer = self._deliver(body, again)
        if _crashed(answer):
            raise self._crash(answer, again, read_only=read_only)
        return answer

    def _deliver(self, body: bytes, again: str) -> HttpReply:
        """Send until there is an answer that sending again would not change; raises SldbError for a refusal."""
        with aws_errors(f"invoke {self._function}"):
            http = self._connection()
            for sends_left in reversed(range(SENDS)):
                answer = self._post(http, body, again, is_last=not sends_left)
                if answer is not None and not (sends_left and _may_pass(answer)):
                    break
                self._sleep(BACKOFF_SECONDS * 2 ** (SENDS - sends_left) * random.uniform(0.5, 1.0))
        assert answer is not None  # the last post has an answer, or raises
        if answer.status >= 400:
            raise self._refused(answer, http)
        return answer

    def _post(self, http: SignedHttp, body: bytes, again: str, *, is_last: bool) -> HttpReply | None:
        """None where there was no answer, and there may be one next time."""
        try:
            return http.post(f"/2015-03-31/functions/{quote(self._function, safe='')}/invocations", body)
        except ReadTimeoutError as error:
            raise SldbError(
                "store_error",
                f"{self._function} did not answer within {READ_SECONDS:.0f} s; whether the statement was applied "
                "is unknown",
                again,
            ) from error
        except (HTTPClientError, NoConnection):
            if is_last:
                raise
            return None

    def _connection(self) -> SignedHttp:
        if self._http is None:
            self._http = SignedHttp("lambda", self._aws, READ_SECONDS)
        return self._http

    def _refused(self, answer: HttpReply, http: SignedHttp) -> SldbError:
        """Lambda's own errors: nothing ran."""
        code, message = _lambda_error(answer)
        there = f"{self._function} in {http.region}"
        if code == "ResourceNotFoundException":
            return SldbError(
                "store_error",
                f"there is no function {there}",
                "sldb deploy makes it; if it is elsewhere, give --region, --profile or --target lambda:NAME",
            )
        if answer.status == 413:
            return SldbError("too_large", f"the request has {message or 'more than 6 MB'}", "split it up")
        if code == "TooManyRequestsException":
            return SldbError("store_error", f"{there} is throttled: {message}", "nothing was applied; try again later")
        if answer.status in (401, 403):
            return SldbError(
                "store_error",
                f"AWS refused to invoke {there}: {message} [{code}]",
                "check the credentials (aws sts get-caller-identity); they need lambda:InvokeFunction",
            )
        return SldbError("store_error", f"{there} cannot be invoked: {message} [{code}]", "sldb status tells more")

    def _crash(self, answer: HttpReply, again: str, *, read_only: bool) -> SldbError:
        """The function began, and did not end as it should."""
        message, kind = _crash_report(answer)
        if kind in _CANNOT_START:
            return SldbError(
                "store_error", f"{self._function} cannot start: {message}", "sldb deploy installs it again"
            )
        unknown = "" if read_only else "; whether the statement was applied is unknown"
        if _timed_out(answer):
            hint = again if unknown else "sldb deploy --timeout SECONDS gives it more time"
            return SldbError("query_timeout", f"Lambda stopped {self._function}: {message}{unknown}", hint)
        return SldbError("internal", f"{self._function} crashed, twice: {message}{unknown}", f"{again}; sldb logs")


_CANNOT_START = ("Runtime.ImportModuleError", "Runtime.HandlerNotFound", "Runtime.UserCodeSyntaxError")


def _ask_again(request_id: str | None) -> str:
    if request_id is None:
        return "the same command again finds what was done, and goes on from there"
    return f"the same statement with --request-id {request_id} tells what became of it, and applies nothing twice"


def _may_pass(answer: HttpReply) -> bool:
    """Whether the same request may fare better a moment later: throttled, 5xx, or the function is being updated."""
    return (
        answer.status == 429
        or answer.status >= 500
        or (answer.status == 409 and _lambda_error(answer)[0] == "ResourceConflictException")
    )


def _crashed(answer: HttpReply) -> bool:
    return "x-amz-function-error" in answer.headers


def _timed_out(answer: HttpReply) -> bool:
    message, kind = _crash_report(answer)
    return kind == "Sandbox.Timedout" or "Task timed out after" in message


def _crash_report(answer: HttpReply) -> tuple[str, str]:
    """(message, type) of what Lambda says about a crash."""
    report = _json_object(answer.body)
    kind = str(report.get("errorType") or "")
    return str(report.get("errorMessage") or kind or "no message"), kind


def _lambda_error(answer: HttpReply) -> tuple[str, str]:
    """(code, message) of an error of Lambda's API."""
    report = _json_object(answer.body)
    code = answer.headers.get("x-amzn-errortype") or report.get("__type") or str(answer.status)
    code = str(code).split(":")[0].split("#")[-1]
    return code, str(report.get("message") or report.get("Message") or "no message")


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        decoded = json.loads(body)
    except ValueError:
        return {"message": body[:200].decode(errors="replace")}
    return decoded if isinstance(decoded, dict) else {}


def _decode(answer: HttpReply, function: str, decode: Callable[[Any], T]) -> T:
    """What `decode` makes of the reply's body. Raises SldbError: the function's own, or `internal` for no reply."""
    try:
        reply = json.loads(answer.body)
        failed, body = reply["statusCode"] >= 400, reply["body"]
        decoded = SldbError.decode(body) if failed else decode(body)
    except (ValueError, KeyError, TypeError, SldbError) as error:
        raise SldbError(
            "internal",
            f"{function} answered something else than a reply of sldb ({type(error).__name__}: {error})",
            "is it sldb's function, and of this version? sldb deploy brings it up to date",
        ) from error
    if isinstance(decoded, SldbError):
        raise decoded
    return decoded
