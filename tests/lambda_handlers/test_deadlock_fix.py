from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambda_handlers.aws.ec2 import Ec2Client
from lambda_handlers.deadlock_fix import handler
from lambda_handlers.host import Host
from lambda_handlers.locks.build import build_lock
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.settings import Settings
from lambda_handlers.store.open import open_store
from tests.fakes.aws.moto_server import REGION, Aws, free_port, serve_aws

MAX_AGE = 90.0


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 10_000


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with serve_aws() as served:
        yield served


@pytest.fixture(params=["security-group", "s3"])
def settings(request: pytest.FixtureRequest, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The environment of the function, and what it means."""
    bucket = f"bucket-{time.time_ns()}"
    s3 = boto3.client("s3", REGION, endpoint_url=aws.url, aws_access_key_id="a", aws_secret_access_key="b")
    s3.create_bucket(Bucket=bucket)
    s3.close()
    environment = {
        "SLDB_STORE": f"s3://{bucket}/prefix",
        "SLDB_LOCK": request.param,
        "SLDB_VPC_ID": f"vpc-{time.time_ns():017x}",
        "SLDB_LOCK_MAX_AGE_SECONDS": str(MAX_AGE),
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }
    use(monkeypatch, environment)
    return Settings.from_environment(environment)


def use(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_EC2", "AWS_SESSION_TOKEN", "SLDB_STACK", "SLDB_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def locks_at(settings: Settings, age: float) -> WriteLock:
    """The locks as a writer saw them so many seconds ago."""
    return build_lock(settings, open_store(settings), Host(now=lambda: time.time() - age))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("context", [None, Context()])
def test_frees_the_old_and_leaves_the_young(
    settings: Settings,
    context: Context | None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, passed = time.time(), MAX_AGE + 30
    monkeypatch.setattr("lambda_handlers.deadlock_fix.Host", lambda: Host(now=lambda: time.time() + passed))
    old = locks_at(settings, 0).acquire("old", time.time() + 30, "INSERT users")
    young = locks_at(settings, -passed).acquire("young", time.time() + passed + 30, "")
    reply = handler({}, context)
    took = time.time() - began
    assert reply["statusCode"] == 200
    body = reply["body"]
    assert (body["checked"], body["failed"]) == (2, [])
    (freed,) = body["freed"]
    assert MAX_AGE + 30 <= freed["age_seconds"] + 1 <= MAX_AGE + 32 + took  # its times are whole seconds, or rounded
    assert {key: freed[key] for key in ("lock_id", "database", "owner", "doing")} == {
        "lock_id": old.lock_id,
        "database": "old",
        "owner": old.owner,
        "doing": "INSERT users",
    }
    assert locks_at(settings, 0).holders() == [young]
    (line,) = lines(capsys.readouterr().err)
    assert (line["level"], line["event"], line["freed"]) == ("info", "free_locks", body["freed"])
    json.dumps(reply)


def test_nothing_to_do(settings: Settings) -> None:
    assert handler(None, None) == {
        "statusCode": 200,
        "body": {"checked": 0, "freed": [], "failed": [], "maintained": []},
    }


def test_a_lock_made_anew_is_young(settings: Settings) -> None:
    old = locks_at(settings, MAX_AGE + 30)
    old.release(old.acquire("main", time.time(), "").lock_id, "main")
    fresh = locks_at(settings, 0).acquire("main", time.time(), "")
    assert handler({}, None)["body"]["freed"] == []
    assert locks_at(settings, 0).holders() == [fresh]


@pytest.mark.parametrize("settings", ["security-group"], indirect=True)
def test_a_group_without_a_time_is_left_and_logged(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert settings.credentials
    assert settings.vpc_id
    ec2 = Ec2Client(REGION, settings.credentials, settings.ec2)
    tags = {"sldb:stack": settings.stack, "sldb:database": "main"}
    group_id = ec2.create_security_group("sldb-lock-test-db-main", "text", settings.vpc_id, tags)
    ec2.close()
    assert handler({}, None)["body"] == {"checked": 1, "freed": [], "failed": [], "maintained": []}
    assert [holder.lock_id for holder in locks_at(settings, 0).holders()] == [group_id]
    warning, _ = lines(capsys.readouterr().err)
    assert (warning["level"], warning["lock_id"]) == ("warning", group_id)


@pytest.mark.parametrize("settings", ["security-group"], indirect=True)
def test_ec2_out_of_reach_is_a_reply(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr("lambda_handlers.deadlock_fix.Host", lambda: Host(sleep=lambda seconds: None))
    reply = handler({}, None)
    assert reply["statusCode"] == 503
    assert reply["body"]["error"]["code"] == "store_error"
    (line,) = lines(capsys.readouterr().err)
    assert line["level"] == "error"


def test_a_bad_setting_is_a_reply(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    use(monkeypatch, {"SLDB_STORE": "s3://bucket", "SLDB_LOCK": "hope"})
    reply = handler({}, None)
    assert reply["statusCode"] == 500
    assert "SLDB_LOCK: got 'hope'" in reply["body"]["error"]["message"]
    (line,) = lines(capsys.readouterr().err)
    assert line["event"] == "bad_setting"


@pytest.mark.parametrize("kind", ["s3", "none"])
def test_over_a_directory_there_is_nothing_to_do(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, {"SLDB_STORE": tmp_path.as_uri(), "SLDB_LOCK": kind})
    assert handler({}, None)["body"] == {"checked": 0, "freed": [], "failed": [], "maintained": []}


def test_what_is_meant_for_another_stack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLDB_STACK", "one")
    monkeypatch.setattr("lambda_handlers.deadlock_fix._kept", None)  # nothing is opened
    answer = handler({"maintain": "main", "stack": "two"})
    assert (answer["statusCode"], answer["body"]["error"]["stack"]) == (400, "one")
