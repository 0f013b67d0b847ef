"""`sldb doctor --store`: whether a bucket can hold databases, told without a stack."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambda_handlers.store.directory import DirectoryStore
from sldb.doctor import store as doctor
from tests.fakes.aws.moto_server import Aws, free_port, serve_aws
from tests.fakes.stores.s3 import altered, ignore, is_completion
from tests.fakes.terminal.command import environment, sldb
from tests.fakes.terminal.in_process import run_command

KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}
Alter = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with serve_aws() as aws:
        yield aws


@pytest.fixture
def bucket(aws: Aws) -> Iterator[str]:
    name = f"doctor-{uuid.uuid4().hex}"
    client = boto3.client("s3", "us-east-1", endpoint_url=aws.url, aws_access_key_id="k", aws_secret_access_key="s")
    client.create_bucket(Bucket=name)
    yield name
    assert client.list_objects_v2(Bucket=name).get("Contents", []) == []
    client.close()


@pytest.fixture(autouse=True)
def _few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambda_handlers.store.conditional_writes.ROUNDS", 2)


def told(bucket: str, url: str) -> dict[str, tuple[str, str]]:
    session = boto3.Session("k", "s", region_name="us-east-1")
    found = list(doctor.check_address(f"s3://{bucket}/some/where", session, url))
    return {each.check: (each.state, each.says) for each in found}


def test_a_store_that_holds(aws: Aws, bucket: str) -> None:
    assert {check: state for check, (state, _) in told(bucket, aws.url).items()} == {
        "store": "ok",
        "commits": "ok",
        "large": "ok",
    }


@pytest.mark.parametrize(
    ("lacks", "states", "says"),
    [
        (ignore("if-none-match"), {"store": "ok", "commits": "fail"}, "If-None-Match"),
        (ignore("if-match"), {"store": "ok", "commits": "fail"}, "If-Match"),
        (
            ignore("if-none-match", where=is_completion),
            {"store": "ok", "commits": "ok", "large": "warn"},
            "several won",
        ),
    ],
)
def test_a_store_that_lacks(aws: Aws, bucket: str, lacks: Alter, states: dict[str, str], says: str) -> None:
    with altered(aws, lacks):
        found = told(bucket, aws.url)
    assert {check: state for check, (state, _) in found.items()} == states
    assert any(says in text for _, text in found.values())


def test_a_store_that_is_right_alone_and_not_when_several_write(tmp_path: Path) -> None:
    """Check and write in two steps, with all writers between them."""

    class Racy(DirectoryStore):
        def create(self, key: str, body: bytes) -> str:
            if "probe" in key:
                return super().create(key, body)
            return self.put(key, body)

    finding = next(doctor.check_conditions(Racy(tmp_path), True))
    assert (finding.check, finding.state) == ("commits", "fail")
    assert "two writers at once won with If-None-Match (in round 1)" in finding.says


def test_the_command(aws: Aws, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, where the races have few rounds."""
    for name, value in environment(tmp_path, KEYS).items():
        monkeypatch.setenv(name, value)
    doctor_of = ("doctor", "--store", f"s3://{bucket}", "--endpoint")
    status, out, err = run_command((*doctor_of, aws.url, "--format", "json"))
    assert status == 0, err
    assert [row["check"] for row in json.loads(out)] == ["store", "commits", "large"]
    status, out, _ = run_command((*doctor_of, f"http://127.0.0.1:{free_port()}"))
    assert (status, "cannot be read" in out) == (1, True)


@pytest.mark.parametrize("given", [("--endpoint", "http://127.0.0.1:1"), ("--store", "bucket"), ("--store", "s3://")])
def test_usage(tmp_path: Path, given: tuple[str, ...]) -> None:
    assert sldb(tmp_path, "doctor", *given).returncode == 2
