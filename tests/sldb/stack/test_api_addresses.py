"""The URLs of a stack's APIs, at AWS and at a configured endpoint."""

from __future__ import annotations

import pytest

from sldb.aws.options import AwsOptions
from sldb.aws.session import boto3_session
from sldb.stack.account import Account
from sldb.stack.api_addresses import api_addresses
from sldb.stack.state import StackState

OUTPUTS = {"TokenApiId": "t0", "KeyApiId": "k0", "FunctionName": "f"}


def addresses(region: str) -> dict[str, str]:
    account = Account(boto3_session(AwsOptions(region=region)), "123456789012", region)
    return api_addresses(account, StackState("id", "CREATE_COMPLETE", outputs=OUTPUTS))


@pytest.mark.parametrize(
    ("region", "suffix"), [("eu-west-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")]
)  # fmt: skip
def test_at_aws(monkeypatch: pytest.MonkeyPatch, region: str, suffix: str) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert addresses(region) == {
        "token": f"https://t0.execute-api.{region}.{suffix}",
        "key": f"https://k0.execute-api.{region}.{suffix}/sldb",
    }


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://127.0.0.1:4566/", "http://localhost:4566"),  # the emulator's: another host than the store's
        ("http://127.0.0.1", "http://localhost"),
        ("http://localhost:4566", "http://localhost:4566"),
        ("https://aws.example.com/below", "https://aws.example.com/below"),
    ],
)
def test_at_a_configured_endpoint(endpoint: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert addresses("eu-west-1") == {
        "token": f"{expected}/_execute-api/t0",
        "key": f"{expected}/_execute-api/k0/sldb",
    }
