"""What AWS and its libraries refuse becomes an error that says what to do about it."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import botocore.exceptions
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from lambda_handlers.wire import SldbError
from sldb.aws import busy_buckets
from sldb.aws.errors import aws_errors
from tests.sldb.commands import BUNDLE_BUCKET, Commands


def raised(error: Exception) -> SldbError:
    with pytest.raises(SldbError) as caught, aws_errors("look"):
        raise error
    assert caught.value.exit_code == 3
    return caught.value


def client_error(code: str, message: str, headers: dict[str, str] | None = None) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPHeaders": headers or {}}}
    return ClientError(response, "GetCallerIdentity")


WRONG_CLOCK = [
    ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
    ("SignatureDoesNotMatch", "Signature expired: 20261126T160000Z is now earlier than 20261126T161500Z"),
    ("SignatureDoesNotMatch", "Signature not yet current: 20261126T170000Z is still later than 20261126T162000Z"),
    ("InvalidSignatureException", "Signature expired: 20261126T160000Z is now earlier than 20261126T161500Z"),
    ("RequestExpired", "Request has expired."),
    ("RequestInTheFuture", "too early"),
]


@pytest.mark.parametrize(("code", "message"), WRONG_CLOCK)
def test_a_wrong_clock_is_called_that(code: str, message: str) -> None:
    error = raised(client_error(code, message))
    assert error.hint.startswith("set the clock of this machine: ")
    assert "aws configure" not in error.hint


@pytest.mark.parametrize(("off_seconds", "says"), [(-3600, "s ahead of AWS's"), (3600, "s behind AWS's")])
def test_how_far_the_clock_is_off_is_said_where_aws_tells_its_own(off_seconds: int, says: str) -> None:
    date = formatdate(time.time() + off_seconds, usegmt=True)
    assert says in raised(client_error(*WRONG_CLOCK[0], headers={"date": date})).hint


def test_a_signature_that_is_wrong_for_another_reason_is_about_credentials() -> None:
    message = "The request signature we calculated does not match the signature you provided."
    assert "aws configure" in raised(client_error("SignatureDoesNotMatch", message)).hint


def test_an_unknown_region_is_called_that_by_every_command(sldb: Commands) -> None:
    for command in (["status"], ["doctor"], ["query", "SELECT 1"]):
        ran = sldb("--region", "us-esat-1", *command)
        assert (ran.status, "hint: check the name of the region" in ran.err) == (3, True), ran.err
        assert "aws configure" not in ran.err


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException", "AuthorizationHeaderMalformed"])
def test_a_region_that_a_service_refuses_is_called_that(code: str) -> None:
    for said in (
        "Credential should be scoped to a valid region, not 'x'. ",
        "The authorization header is malformed; the region 'x' is wrong; expecting 'us-east-1'",
    ):
        assert "region" in raised(client_error(code, said)).hint


def test_an_empty_bucket_name_is_no_matter_of_credentials(sldb: Commands) -> None:
    with pytest.raises(SldbError) as caught, aws_errors("look for the bucket"):
        sldb.client("s3").head_bucket(Bucket="")
    assert "Invalid bucket name" in caught.value.message
    assert "aws configure" not in caught.value.hint


def every_botocore_error() -> list[type[BotoCoreError]]:
    found = [each for each in vars(botocore.exceptions).values() if isinstance(each, type)]
    return [each for each in found if issubclass(each, BotoCoreError)]


ABOUT_CREDENTIALS = ("Credential", "SSO", "Login", "Token", "Metadata", "MFA")


@pytest.mark.parametrize("kind", every_botocore_error(), ids=lambda kind: kind.__name__)
def test_only_what_is_about_credentials_tells_to_run_aws_configure(kind: type[BotoCoreError]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "something")
    error.kwargs = {"error": "something"}  # type: ignore[attr-defined]  # as botocore's own constructor
    hint = raised(error).hint
    assert hint
    if not any(word in kind.__name__ for word in ABOUT_CREDENTIALS) and "no AWS region" not in str(raised(error)):
        assert "aws sso login" not in hint


def test_a_bucket_that_s3_is_at_work_on_is_waited_for(sldb: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(busy_buckets, "sleep", waited.append)
    message = "A conflicting conditional operation is currently in progress against this resource. Please try again."
    sldb.fail("CreateBucket", "OperationAborted", message, times=3)
    sldb.fail("PutBucketEncryption", "OperationAborted", message)
    sldb.ok("deploy", "--plan")  # makes it, for the template of its change set
    assert len(waited) == 4
    sldb.ok("deploy")
    assert len(waited) == 4
    assert BUNDLE_BUCKET in sldb.buckets()


def test_but_for_a_minute_only(sldb: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(busy_buckets, "sleep", waited.append)
    sldb.fail("CreateBucket", "OperationAborted", "A conflicting conditional operation is in progress", times=999)
    ran = sldb("deploy")
    assert ran.status == 3
    assert "try again in a few minutes" in ran.err
    assert sum(waited) == busy_buckets.MAX_WAIT_SECONDS


def test_what_else_s3_refuses_is_not_waited_for(sldb: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy_buckets, "sleep", lambda seconds: pytest.fail(f"waited {seconds} s"))
    sldb.fail("CreateBucket", "AccessDenied", "no")
    assert sldb("deploy").status == 3


def test_the_clock_is_said_by_every_command(sldb: Commands) -> None:
    code, message = WRONG_CLOCK[1]
    for command in (["status"], ["deploy"], ["destroy", "--yes"], ["doctor"]):
        sldb.fail("GetCallerIdentity", code, message)
        ran = sldb(*command)
        assert ran.status == 3
        assert "hint: set the clock" in ran.err


def test_and_by_a_query(sldb: Commands) -> None:
    sldb.fail("Invoke", "InvalidSignatureException", WRONG_CLOCK[3][1])
    ran = sldb("query", "SELECT 1")
    assert ran.status == 3
    assert "hint: set the clock" in ran.err
