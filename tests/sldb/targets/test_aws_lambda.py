"""The Lambda target against Invoke on loopback: what it sends again, what it does not, and what users are told."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lambda_handlers.wire import Action, Request, SldbError, Statement
from lambda_handlers.wire.transaction import InTransaction
from sldb.aws.http import SignedHttp
from sldb.aws.options import AwsOptions
from sldb.client import Client, open_target
from sldb.targets.aws_lambda import MAX_REQUEST_BYTES, LambdaTarget
from sldb.targets.remote import SENDS
from tests.fakes.aws.lambda_service import Answer, LambdaService, serve_lambda

CRASHED = {"X-Amz-Function-Error": "Unhandled"}
KILLED = {
    "errorType": "Runtime.ExitError",
    "errorMessage": "RequestId: 1 Error: Runtime exited with error: signal: killed",
}
TIMED_OUT = {"errorType": "Sandbox.Timedout", "errorMessage": "2026-01-01 1 Task timed out after 3.00 seconds"}
THROTTLED = Answer(429, {"Message": "Rate exceeded"}, {"x-amzn-errortype": "TooManyRequestsException"})
Doubt = Callable[[bool], list[Answer]]
INSERT = Request((Statement("insert into t values (1)"),))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LambdaService]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_REGION", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with serve_lambda() as service:
        service.target.connection.execute("create table t(a)")
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", service.url)
        yield service


def target(
    function: str = "test-db-function", *, region: str | None = None, profile: str | None = None
) -> LambdaTarget:
    return LambdaTarget(function, AwsOptions(profile, region), sleep=lambda _: None)


def rows(service: LambdaService) -> int:
    return int(service.target.connection.execute("select count(*) from t").fetchone()[0])


def failure(request: Request = INSERT, **options: str) -> SldbError:
    with pytest.raises(SldbError) as caught:
        target(**options).send(request)
    return caught.value


@pytest.mark.parametrize("unknown", [("attempt",), ("last",), ("attempt", "last")])
def test_an_older_function_gets_no_field_that_it_does_not_know(
    unknown: tuple[str, ...], service: LambdaService
) -> None:
    refusals = [SldbError("bad_request", f"{name}: got …, want one of the fields …", field=name) for name in unknown]
    service.faults = [Answer(200, {"statusCode": 400, "body": refusal.encode()}) for refusal in refusals]
    sender, last = target(), replace(INSERT, last=True)
    for _ in range(2):
        sender.send(last)
    for sent in service.target.requests:
        assert (bool(sent.attempt), sent.last) == ("attempt" not in unknown, "last" not in unknown)
    assert len(service.paths) == 2 + len(unknown)
    target().send(last)
    assert service.target.requests[-1].attempt
    assert service.target.requests[-1].last


def test_a_later_try_that_was_cancelled_shows_nothing_about_the_one_before(service: LambdaService) -> None:
    cancelled = SldbError("cancelled", "the request was cancelled", applied="no")
    service.faults = [Answer(runs=True, drops=True), Answer(200, {"statusCode": 499, "body": cancelled.encode()})]
    assert target().send(INSERT).txid == 1  # as its result has it
    assert rows(service) == 1


def test_rows_and_values_come_back(service: LambdaService) -> None:
    reply = target().send(Request((Statement("select 9007199254740993, x'00ff', null, 9e999, '日本'"),)))
    assert reply.rows == [(9007199254740993, b"\x00\xff", None, float("inf"), "日本")]
    assert service.paths == ["/2015-03-31/functions/test-db-function/invocations"]


def test_the_request_is_signed_for_the_region(service: LambdaService) -> None:
    target(region="us-west-2").send(INSERT)
    signed = service.headers[0]["authorization"]
    assert signed.startswith("AWS4-HMAC-SHA256 Credential=AKIATEST/")
    assert "/us-west-2/lambda/aws4_request" in signed


def test_every_request_has_an_id(service: LambdaService) -> None:
    client = Client(target())
    client.execute(INSERT)
    client.execute(INSERT)
    first, second = service.request_ids
    assert first
    assert second
    assert first != second


def test_errors_of_the_function(service: LambdaService) -> None:
    error = failure(Request((Statement("selec"),)))
    assert error.code == "sql_error"
    assert error.details["statement"] == 0
    assert len(service.paths) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Answer(500, {"Message": "oops"}),
        Answer(503, b"no json"),
        Answer(429, {"Message": "Rate exceeded"}, {"x-amzn-errortype": "TooManyRequestsException"}),
        Answer(409, {"Message": "Pending"}, {"x-amzn-errortype": "ResourceConflictException"}),
        Answer(drops=True),
        Answer(drops=True, runs=True),
        Answer(502, {}, runs=True),
    ],
)
def test_what_may_pass_is_sent_again_with_the_same_id(service: LambdaService, fault: Answer) -> None:
    service.faults = [fault, fault]
    target().send(INSERT)
    assert rows(service) == 1
    assert len(service.paths) == 3
    assert len(set(service.request_ids)) == 1
    assert None not in service.request_ids


def test_sending_again_has_an_end(service: LambdaService) -> None:
    service.faults = [Answer(429, {"Message": "slow down"}, {"x-amzn-errortype": "TooManyRequestsException"})] * 10
    error = failure()
    assert (error.code, error.exit_code) == ("store_error", 3)
    assert "throttled" in error.message
    assert len(service.paths) == SENDS
    assert rows(service) == 0


def test_pauses_grow(service: LambdaService) -> None:
    service.faults = [Answer(500, {})] * 3
    random.seed(1)
    pauses: list[float] = []
    LambdaTarget("test-db-function", AwsOptions(), sleep=pauses.append).send(INSERT)
    assert pauses == sorted(pauses)
    assert len(pauses) == 3


def test_a_crash_after_the_commit_is_asked_again(service: LambdaService) -> None:
    service.faults = [Answer(200, KILLED, CRASHED, runs=True)]
    assert target().send(INSERT).txid == 1
    assert rows(service) == 1


NEVER = threading.Event()
# What leaves the client without an answer of the function's, whether that has run or not.
DOUBTS = {
    "stopped by Lambda": lambda runs: [Answer(200, TIMED_OUT, CRASHED, runs=runs)],
    "crashed twice": lambda runs: [Answer(200, KILLED, CRASHED), Answer(200, KILLED, CRASHED, runs=runs)],
    "no answer": lambda runs: [Answer(waits=NEVER, runs=runs)],
    "connections that drop": lambda runs: [Answer(drops=True, runs=runs)] * SENDS,
    "5xx to the end": lambda runs: [Answer(502, {}, runs=runs)] * SENDS,
    "dropped, then throttled": lambda runs: [Answer(drops=True, runs=runs), *[THROTTLED] * (SENDS - 1)],
}


def hasty_target() -> LambdaTarget:
    return LambdaTarget("test-db-function", AwsOptions(), sleep=lambda _: None, read_seconds=0.3)


@pytest.fixture(autouse=True)
def let_go() -> Iterator[None]:
    NEVER.clear()
    yield
    NEVER.set()


@pytest.mark.parametrize("faults", DOUBTS.values(), ids=DOUBTS)
def test_what_was_applied_without_an_answer_is_found_out(service: LambdaService, faults: Doubt) -> None:
    service.faults = faults(True)
    reply = hasty_target().send(INSERT)
    assert (reply.txid, reply.results[0].rowcount) == (1, 1)
    assert rows(service) == 1


@pytest.mark.parametrize("name", DOUBTS)
def test_what_was_not_applied_is_told(service: LambdaService, name: str) -> None:
    """For good only where nobody can be at work on it any more. A container that was stopped may have left its commit
    on the way: the very slowness that had it stopped may be that of the store."""
    service.faults = DOUBTS[name](False)
    with pytest.raises(SldbError) as caught:
        hasty_target().send(INSERT)
    has_ended = name == "no answer"
    assert caught.value.details["applied"] == ("no" if has_ended else "unknown")
    assert ("--request-id" in caught.value.hint) != has_ended
    assert rows(service) == 0


def test_an_invocation_that_nobody_has_heard_of_may_be_at_work_behind_one_that_crashed(
    service: LambdaService,
) -> None:
    service.faults = [Answer(drops=True), Answer(200, KILLED, CRASHED), Answer(200, KILLED, CRASHED)]
    error = failure()
    assert "not been applied yet" in error.message
    assert error.details["applied"] == "unknown"


LOCKED = SldbError(
    "lock_timeout", "database main is locked, and was not free in time", holder={"lock_id": "sg-1"}, applied="no"
)


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize(
    "before", [Answer(drops=True), Answer(502, {}), Answer(200, KILLED, CRASHED)], ids=["dropped", "5xx", "crashed"]
)
def test_who_is_refused_when_sending_again_does_not_speak_for_the_first_try(
    service: LambdaService, before: Answer, applied: bool
) -> None:
    """It may have the very lock that the second waits for in vain."""
    service.faults = [replace(before, runs=applied), Answer(200, {"statusCode": 423, "body": LOCKED.encode()})]
    if applied:
        assert target().send(INSERT).txid == 1
        return
    error = failure()
    assert (error.code, error.details["holder"]) == ("lock_timeout", {"lock_id": "sg-1"})
    assert error.details["applied"] == "unknown"


OPEN = SldbError(
    "store_error",
    "the object store: main/…: no answer",
    "try again in a moment",
    applied="unknown",
)


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("code", ["store_error", "corrupt"])
def test_what_the_function_does_not_know_it_is_asked_for(service: LambdaService, code: str, applied: bool) -> None:
    answer = SldbError(code, OPEN.message, OPEN.hint, **OPEN.details)
    service.faults = [Answer(200, {"statusCode": 503, "body": answer.encode()}, runs=applied)]
    if applied:
        assert target().send(INSERT).txid == 1
        return
    error = failure()
    assert (error.code, error.details["applied"]) == (code, "unknown")
    assert "looked up afterwards" in error.message
    assert target().send(replace(INSERT, request_id=service_id(error))).txid == 1
    assert rows(service) == 1


def test_an_action_of_unknown_outcome_may_be_sent_again(service: LambdaService) -> None:
    service.faults = [Answer(200, {"statusCode": 503, "body": OPEN.encode()})]
    with pytest.raises(SldbError) as caught:
        target().act(Action("history", "main", {}))
    assert caught.value.details["applied"] == "unknown"
    assert "the same command again" in caught.value.hint


def test_who_is_refused_at_once_was_refused(service: LambdaService) -> None:
    service.faults = [THROTTLED, Answer(200, {"statusCode": 423, "body": LOCKED.encode()})]
    error = failure()
    assert error.message == LOCKED.message
    assert len(service.paths) == 2


@pytest.mark.parametrize("faults", DOUBTS.values(), ids=DOUBTS)
@pytest.mark.parametrize("applied", [False, True])
def test_where_nobody_can_be_asked_the_outcome_is_unknown(service: LambdaService, faults: Doubt, applied: bool) -> None:
    """The id in the hint finds it out later."""
    service.faults = [*faults(applied), *[THROTTLED] * SENDS]
    with pytest.raises(SldbError) as caught:
        hasty_target().send(INSERT)
    assert caught.value.details["applied"] == "unknown"
    assert caught.value.details["applied"] == "unknown"
    again = replace(INSERT, request_id=service_id(caught.value))
    assert target().send(again).txid == 1
    assert rows(service) == 1


def test_a_function_of_an_older_version_cannot_be_asked(service: LambdaService) -> None:
    refusal = SldbError("bad_request", "action: got 'result'")
    service.faults = [Answer(200, TIMED_OUT, CRASHED), Answer(200, {"statusCode": 400, "body": refusal.encode()})]
    assert failure().details["applied"] == "unknown"


def service_id(error: SldbError) -> str:
    return error.hint.split("--request-id ")[1].split()[0]


def test_what_happened_is_told_beside_the_outcome(service: LambdaService) -> None:
    service.faults = [Answer(200, TIMED_OUT, CRASHED)]
    error = failure()
    assert error.code == "query_timeout"
    assert "after 3.00 seconds" in error.message
    service.faults = [Answer(200, KILLED, CRASHED)] * 2
    assert failure().code == "internal"
    service.faults = [Answer(waits=NEVER)]
    with pytest.raises(SldbError, match="did not answer within 0 s"):
        hasty_target().send(INSERT)


def test_where_nothing_was_sent_nobody_is_asked(service: LambdaService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:1")
    pauses: list[float] = []
    with pytest.raises(SldbError) as caught:
        LambdaTarget("test-db-function", AwsOptions(), sleep=pauses.append).send(INSERT)
    assert "applied" not in caught.value.message
    assert len(pauses) == SENDS - 1


def test_a_request_that_lambda_would_not_take(service: LambdaService) -> None:
    """Nothing is sent; what to do instead is told."""
    large = Request((Statement("insert into t values (?)", ("x" * MAX_REQUEST_BYTES,)),))
    error = failure(large)
    assert (error.code, error.exit_code) == ("too_large", 1)
    assert "6,291,456" in error.message
    assert "sldb import" in error.hint
    assert "sldb push" in error.hint
    assert service.paths == []
    named = replace(large, request_id="r", attempt="a")
    fits = len(json.dumps(named.encode())) - MAX_REQUEST_BYTES
    insert = Statement("insert into t values (?)", ("x" * (MAX_REQUEST_BYTES - fits),))
    target().send(replace(named, statements=(insert,)))
    assert rows(service) == 1


def test_a_time_out_of_a_read_applied_nothing(service: LambdaService) -> None:
    service.faults = [Answer(200, TIMED_OUT, CRASHED)]
    error = failure(Request((Statement("select 1"),), read_only=True))
    assert error.details.get("applied") != "unknown"
    assert "deploy --timeout" in error.hint


@pytest.mark.parametrize("end", [None, "rollback", "commit"])
def test_only_a_commit_may_have_applied_something(service: LambdaService, end: str | None) -> None:
    """What else a transaction sends is no part of it without an answer. Nobody is asked for it."""
    service.faults = [Answer(200, TIMED_OUT, CRASHED)]
    error = failure(Request((Statement("insert into t values (1)"),), transaction=InTransaction("token", end)))
    assert error.details.get("applied") == ("unknown" if end == "commit" else None)


def test_a_function_of_an_older_version_has_no_transactions(service: LambdaService) -> None:
    refusal = SldbError("bad_request", "transaction: got {'begin': True}, want one of …", field="transaction")
    service.faults = [Answer(200, {"statusCode": 400, "body": refusal.encode()})]
    error = failure(Request((), transaction=InTransaction()))
    assert (error.code, error.details["applied"]) == ("bad_request", "no")
    assert "older version" in error.message
    assert "sldb deploy" in error.hint


NO_START = {"errorType": "Runtime.ImportModuleError", "errorMessage": "No module named 'apsw'"}


@pytest.mark.parametrize("kind", ["ImportModuleError", "HandlerNotFound", "InvalidEntrypoint", "InvalidBundle"])
def test_code_that_cannot_start(service: LambdaService, kind: str) -> None:
    service.faults = [Answer(200, {**NO_START, "errorType": f"Runtime.{kind}"}, CRASHED)] * 2
    error = failure()
    assert (error.code, error.exit_code) == ("store_error", 3)
    assert error.details["applied"] == "no"
    assert "apsw" in error.message
    assert "sldb deploy" in error.hint


@pytest.mark.parametrize("first", [Answer(200, KILLED, CRASHED), Answer(500, {})])
def test_code_that_cannot_start_any_more_says_nothing_of_the_try_before(service: LambdaService, first: Answer) -> None:
    service.faults = [first, *[Answer(200, NO_START, CRASHED)] * 3]
    assert failure().details["applied"] == "unknown"


def test_no_such_function(service: LambdaService) -> None:
    error = failure(function="other")
    assert (error.code, error.exit_code) == ("store_error", 3)
    assert "other in eu-west-1" in error.message
    assert "sldb deploy" in error.hint


def test_not_allowed(service: LambdaService) -> None:
    service.faults = [Answer(403, {"Message": "not authorized"}, {"x-amzn-errortype": "AccessDeniedException:http"})]
    error = failure()
    assert error.exit_code == 3
    assert "[AccessDeniedException]" in error.message
    assert "lambda:InvokeFunction" in error.hint


def test_too_large(service: LambdaService) -> None:
    service.faults = [Answer(413, {"Message": "6 MB"}, {"x-amzn-errortype": "RequestTooLargeException"})]
    assert failure().code == "too_large"


@pytest.mark.parametrize(
    "body",
    [b"hello", "hello", {"statusCode": 200}, {"statusCode": 200, "body": {}}, [], {"statusCode": 500, "body": "x"}],
)
def test_a_function_that_is_not_ours(service: LambdaService, body: object) -> None:
    service.faults = [Answer(200, body)]
    error = failure()
    assert error.code == "internal"
    assert "sldb deploy" in error.hint


def test_nobody_listens(service: LambdaService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:1")
    error = failure()
    assert (error.code, error.exit_code) == ("store_error", 3)
    assert "AWS_ENDPOINT_URL" in error.hint


def test_no_credentials(service: LambdaService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = failure()
    assert error.exit_code == 3
    assert "aws configure" in error.hint
    assert service.paths == []


def test_no_region(service: LambdaService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    error = failure()
    assert error.exit_code == 3
    assert "--region" in error.hint


def test_no_such_profile(service: LambdaService) -> None:
    error = failure(profile="nobody")
    assert error.exit_code == 3
    assert "nobody" in error.message


def test_a_profile_with_its_own_endpoint(
    service: LambdaService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_LAMBDA")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    (tmp_path / "config").write_text(
        "[profile p]\nregion = ap-south-1\nservices = s\naws_access_key_id = AKIAP\naws_secret_access_key = x\n"
        f"[services s]\nlambda =\n  endpoint_url = {service.url}\n"
    )
    target(profile="p").send(INSERT)
    assert "Credential=AKIAP/" in service.headers[0]["authorization"]
    assert "/ap-south-1/" in service.headers[0]["authorization"]


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "mars-west-1"])
@pytest.mark.parametrize("variant", [None, "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_endpoints_are_those_of_botocores_client(
    service: LambdaService, monkeypatch: pytest.MonkeyPatch, region: str, variant: str | None
) -> None:
    from botocore.session import Session

    monkeypatch.delenv("AWS_ENDPOINT_URL_LAMBDA")
    if variant:
        if variant == "AWS_USE_DUALSTACK_ENDPOINT" and region == "us-iso-east-1":
            pytest.skip("there is none")
        monkeypatch.setenv(variant, "true")
    client = Session().create_client("lambda", region_name=region)
    assert SignedHttp("lambda", AwsOptions(region=region), 1).endpoint == client.meta.endpoint_url


def test_targets_by_name(service: LambdaService) -> None:
    assert open_target("lambda").name == "lambda:test-db-function"
    assert open_target("lambda:mine").name == "lambda:mine"
    with pytest.raises(SldbError, match="no such target"):
        open_target("ftp:x")


HISTORY = Action("history", "main", {"limit": 3})


def test_an_action_and_its_reply(service: LambdaService) -> None:
    service.target.replies["history"] = {"transactions": []}
    assert target().act(HISTORY) == {"transactions": []}
    assert service.target.actions == [HISTORY]


def test_an_error_of_an_action(service: LambdaService) -> None:
    with pytest.raises(SldbError) as caught:
        target().act(HISTORY)
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize(
    "fault",
    [
        Answer(500, {}),
        Answer(429, {}, {"x-amzn-errortype": "TooManyRequestsException"}),
        Answer(200, KILLED, CRASHED, runs=True),
        Answer(drops=True),
    ],
)
def test_an_action_is_sent_again(service: LambdaService, fault: Answer) -> None:
    """Each finds done what it did before."""
    service.target.replies["history"] = {"transactions": []}
    service.faults = [fault]
    assert target().act(HISTORY) == {"transactions": []}


def test_an_action_that_crashes_twice(service: LambdaService) -> None:
    service.faults = [Answer(200, KILLED, CRASHED)] * 2
    with pytest.raises(SldbError) as caught:
        target().act(HISTORY)
    assert caught.value.details["applied"] == "unknown"
    assert "the same command again finds what was done" in caught.value.hint


@pytest.mark.parametrize("then", [THROTTLED, Answer(403, {"Message": "no"}, {"x-amzn-errortype": "AccessDenied"})])
def test_who_cannot_send_again_does_not_speak_for_a_crash_before(service: LambdaService, then: Answer) -> None:
    service.faults = [Answer(200, KILLED, CRASHED), *[then] * SENDS * 2]
    assert failure().details["applied"] == "unknown"
