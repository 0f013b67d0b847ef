"""Reading a secret, from moto and from a server that fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, suppress

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.aws import secrets_manager
from lambda_handlers.aws.secrets_manager import CURRENT, PREVIOUS, SecretsManager, SecretUnreadable
from lambda_handlers.settings import Credentials
from lambda_handlers.shared.endpoints import Endpoint
from tests.fakes.aws.moto_server import REGION, Aws, free_port, serve_aws
from tests.fakes.clock import Clock
from tests.fakes.stores.scripted_s3 import Answer, ScriptedS3, serve_s3

KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "token/+=")
JSON = st.recursive(
    st.none() | st.text(), lambda inner: st.dictionaries(st.sampled_from(["SecretString", "__type"]), inner)
)
DENIED = {"__type": "AccessDeniedException", "Message": "User: arn:aws:sts::123456789012:assumed-role/r is not …"}


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with serve_aws() as served:
        yield served


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def secrets(aws: Aws, clock: Clock) -> Iterator[SecretsManager]:
    client = SecretsManager(REGION, KEYS, Endpoint(aws.url), clock.now, clock.sleep)
    yield client
    client.close()
    aws.after = None


@pytest.fixture(scope="module")
def secret_id(aws: Aws) -> str:
    """A secret that was rotated once."""
    client = boto3.client(
        "secretsmanager", REGION, endpoint_url=aws.url, aws_access_key_id="a", aws_secret_access_key="b"
    )
    arn = client.create_secret(Name="keys", SecretString="first")["ARN"]
    client.put_secret_value(SecretId=arn, SecretString="second")
    return arn


def test_the_versions_of_a_secret(secrets: SecretsManager, secret_id: str) -> None:
    assert [secrets.text(secret_id, stage) for stage in (CURRENT, PREVIOUS)] == ["second", "first"]


def test_a_label_that_no_version_has(secrets: SecretsManager, aws: Aws) -> None:
    client = boto3.client(
        "secretsmanager", REGION, endpoint_url=aws.url, aws_access_key_id="a", aws_secret_access_key="b"
    )
    arn = client.create_secret(Name="new", SecretString="first")["ARN"]
    assert secrets.text(arn) == "first"
    assert secrets.text(arn, PREVIOUS) is None


def test_a_secret_that_does_not_exist(secrets: SecretsManager) -> None:
    with pytest.raises(SecretUnreadable, match="ResourceNotFoundException"):
        secrets.text("arn:aws:secretsmanager:us-east-1:123456789012:secret:none-AbCdEf")


def test_a_refusal_is_final_and_names_nothing(secrets: SecretsManager, aws: Aws, clock: Clock) -> None:
    aws.after = lambda request, status, body: ("400 Bad Request", json.dumps(DENIED).encode())
    with pytest.raises(SecretUnreadable) as caught:
        secrets.text("keys")
    assert str(caught.value) == "Secrets Manager: AccessDeniedException"
    assert "assumed-role" in caught.value.detail
    assert clock.sleeps == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("500 Internal Server Error", b'{"__type": "InternalServiceError"}'),
        ("503 Service Unavailable", b"<html>"),
        ("400 Bad Request", b'{"__type": "com.amazonaws.x#ThrottlingException"}'),
    ],
)
def test_a_transient_failure_is_tried_once_more(
    secrets: SecretsManager, aws: Aws, secret_id: str, clock: Clock, status: str, body: bytes
) -> None:
    answers = [(status, body), None, (status, body), (status, body)]
    aws.after = lambda request, given, text: answers.pop(0)
    assert secrets.text(secret_id) == "second"
    assert clock.sleeps == [secrets_manager.PAUSE_SECONDS]
    with pytest.raises(SecretUnreadable):
        secrets.text(secret_id)
    assert answers == []


def test_a_server_that_is_not_there(clock: Clock) -> None:
    client = SecretsManager(REGION, KEYS, Endpoint(f"http://127.0.0.1:{free_port()}"), clock.now, clock.sleep)
    with pytest.raises(SecretUnreadable, match="no answer"):
        client.text("keys")


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedS3]:
    """A server that answers as its script says, and keeps its connections."""
    with serve_s3() as scripted:
        yield scripted


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()), st.sampled_from([200, 400, 403]))
def test_no_answer_raises_anything_but_its_own_error(server: ScriptedS3, body: bytes, status: int) -> None:
    server.script = lambda ask: Answer(status, body)
    client = SecretsManager(REGION, KEYS, Endpoint(server.url), sleep=lambda seconds: None)
    with closing(client), suppress(SecretUnreadable):
        assert isinstance(client.text("keys"), str)


def test_connections_are_used_again(server: ScriptedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation reads both versions: one handshake."""
    opened: list[bool] = []
    monkeypatch.setattr(server, "note", lambda connection, is_open: opened.append(is_open))
    server.script = lambda ask: Answer(200, b'{"SecretString": "text"}')
    with closing(SecretsManager(REGION, KEYS, Endpoint(server.url))) as client:
        assert [client.text("keys", stage) for stage in (CURRENT, PREVIOUS)] == ["text", "text"]
    assert opened.count(True) == 1
