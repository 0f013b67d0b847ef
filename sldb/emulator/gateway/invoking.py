"""Functions that an API invokes: integrations and authorizers.

A function must let API Gateway invoke it (a statement of its resource policy, for `apigateway.amazonaws.com` and with
the API's ARN as `aws:SourceArn`). A function that takes longer than the time-out of its integration goes on; only its
result is not waited for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from typing import Any, Protocol

from sldb.emulator.access import policy
from sldb.emulator.access.policy import Request as Needed
from sldb.emulator.calls import function_config
from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.function_config import FunctionConfig, FunctionName
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.runtime.containers import Outcome
from sldb.emulator.runtime.functions import Functions

_MAX_EVENT_BYTES = 6 * 1024 * 1024  # Lambda's, for a synchronous invocation
_MAX_CONCURRENT = 256
_URI = re.compile(r"arn:aws:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/(?P<arn>.+)/invocations")


class InvocationFailed(Exception):
    """The function raised, ended or replied with what is no JSON; the text says which."""


class NotInvoked(InvocationFailed):
    """There is no such function, or it does not let the API invoke it."""


class TimedOut(Exception):
    """The function did not reply in time."""


class Throttled(Exception):
    """Lambda takes no more invocations at the moment."""


class TooLarge(Exception):
    """The event is larger than Lambda takes."""


class Invoker(Protocol):
    """Invokes functions for APIs; a stand-in in tests."""

    def invoke(
        self, uri: str, event: Mapping[str, Any], *, source_arn: str, region: str, seconds: float, request_id: str
    ) -> Any:
        """Return the function's result, decoded. Raises one of the exceptions above. `request_id`: the function's."""


class LambdaInvoker:
    def __init__(self, moto: Moto, functions: Functions) -> None:
        self._moto = moto
        self._functions = functions
        self._threads = ThreadPoolExecutor(_MAX_CONCURRENT, "api-gateway")

    def close(self) -> None:
        """Wait for what runs. The containers must have been ended."""
        self._threads.shutdown()

    def invoke(
        self, uri: str, event: Mapping[str, Any], *, source_arn: str, region: str, seconds: float, request_id: str
    ) -> Any:
        payload = json.dumps(event, ensure_ascii=False).encode(errors="replace")
        if len(payload) > _MAX_EVENT_BYTES:
            raise TooLarge(f"{len(payload)} bytes of event")
        try:
            function = FunctionName.parse(function_arn(uri), region)
            config = function_config.read(self._moto, function)
            check_permission(self._moto, function, source_arn)
            outcome = self._wait_for(config, payload, seconds, request_id)
        except AwsError as error:
            if error.code == "TooManyRequestsException":
                raise Throttled(error.message) from error
            raise NotInvoked(str(error)) from error
        if outcome.failed:
            raise InvocationFailed(outcome.body.decode("utf-8", "replace"))
        try:
            return json.loads(outcome.body)
        except ValueError as error:
            raise InvocationFailed("its result is not JSON") from error

    def _wait_for(self, config: FunctionConfig, payload: bytes, seconds: float, request_id: str) -> Outcome:
        future = self._threads.submit(self._functions.invoke, config, payload, request_id)
        try:
            return future.result(seconds)
        except NotInTime:
            if future.done():  # the function's own
                raise
            raise TimedOut(f"no result of {config.name} in {seconds} s") from None


def function_arn(uri: str) -> str:
    """Return the function of an integration's or authorizer's URI: a function's ARN, or API Gateway's form of it."""
    found = _URI.fullmatch(uri)
    return found["arn"] if found else uri


def check_permission(moto: Moto, function: FunctionName, source_arn: str) -> None:
    """Raise AwsError if the function's policy does not let this API invoke it."""
    with moto.lock:
        found = moto.backend("lambda", function.region).get_function(function.name, function.qualifier)
        document = {"Statement": list(found.policy.statements)}
    context = {"aws:sourcearn": (source_arn,), "aws:sourceaccount": (ACCOUNT,)}
    needed = Needed("lambda:InvokeFunction", function.arn, context)
    if policy.decide([document], needed, ["apigateway.amazonaws.com"]) != "allow":
        raise AwsError("AccessDeniedException", f"{function.name} does not let {source_arn} invoke it", 403)
