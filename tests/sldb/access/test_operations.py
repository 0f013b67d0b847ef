"""Callers made and revoked, and keys replaced, over emulated S3, Secrets Manager and API Gateway."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from lambda_handlers.access.tokens import key_id_of, read_token
from lambda_handlers.wire import SldbError
from sldb.access import operations
from sldb.access.api_keys import ApiKey, ApiKeys
from sldb.access.document import AccessDocument, BucketDocument
from sldb.access.entries import Entry, new_entry
from sldb.access.listing import find
from sldb.access.signing_keys import SigningKeys, new_secret

NOW_MS = 4_000_000_000_000  # later than the keys of the emulated Secrets Manager


@dataclass
class Stack:
    document: AccessDocument
    signing_keys: SigningKeys
    api_keys: ApiKeys
    plan_id: str

    def make(self, name: str, created_ms: int = NOW_MS) -> operations.Made:
        return operations.create_token(self.document, self.signing_keys, entry(name, created_ms))

    def accepts(self, token: str | None) -> bool:
        """Return True if the authorizer would accept the token: its key is known and accepted, its entry live."""
        parts = read_token(str(token))
        document = self.document.read()
        secrets = {key_id_of(text): text for text in self._secrets()}
        known = parts.claims.key_id in document.key_ids and parts.claims.key_id in secrets
        found = document.find(f"token:{parts.claims.token_id}")
        signed = known and parts.is_signed_by(secrets[parts.claims.key_id])
        return signed and found is not None and not found.refusal(NOW_MS)

    def _secrets(self) -> Iterator[str]:
        client, arn = self.signing_keys.client, self.signing_keys.secret_arn
        stages = client.describe_secret(SecretId=arn)["VersionIdsToStages"].values()
        for stage in {label for labels in stages for label in labels}:
            yield client.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"]


def entry(name: str = "ci", created_ms: int = NOW_MS) -> Entry:
    return new_entry(name, ["main"], created_ms, may_write=True)


@pytest.fixture(scope="module")
def clients(s3_url: str) -> tuple[Any, Any]:
    session = boto3.Session("k", "s", region_name="us-east-1")
    return session.client("secretsmanager", endpoint_url=s3_url), session.client("apigateway", endpoint_url=s3_url)


@pytest.fixture
def stack(s3_client: Any, clients: tuple[Any, Any]) -> Stack:
    name = f"access-{uuid.uuid4().hex}"
    secrets, rest_apis = clients
    s3_client.create_bucket(Bucket=name)
    secret = secrets.create_secret(Name=name, SecretString=new_secret())
    plan = rest_apis.create_usage_plan(name=name)
    document = AccessDocument(BucketDocument(s3_client, name, "123456789012"), sleep=lambda _: None)
    return Stack(document, SigningKeys(secrets, secret["ARN"]), ApiKeys(rest_apis, "test-db"), plan["id"])


def test_a_token_is_accepted_until_it_is_revoked(stack: Stack) -> None:
    made = stack.make("ci")
    assert stack.accepts(made.secret)
    assert read_token(str(made.secret)).claims.name == "ci"
    operations.revoke(stack.document, stack.api_keys, made.identity, NOW_MS)
    assert not stack.accepts(made.secret)
    operations.revoke(stack.document, stack.api_keys, made.identity, NOW_MS + 1)
    found = stack.document.read().find(made.identity)
    assert found is not None
    assert found.revoked_ms == NOW_MS


def test_a_rotation_keeps_the_tokens_of_the_key_before(stack: Stack) -> None:
    first = stack.make("first")
    operations.rotate(stack.document, stack.signing_keys)
    second = stack.make("second")
    assert [stack.accepts(made.secret) for made in (first, second)] == [True, True]
    operations.rotate(stack.document, stack.signing_keys)
    third = stack.make("third")
    assert [stack.accepts(made.secret) for made in (first, second, third)] == [False, True, True]
    assert len(stack.document.read().key_ids) == 2


def test_which_tokens_a_rotation_would_end(stack: Stack) -> None:
    def ending(*, at_once: bool = False) -> list[str]:
        found = operations.stopped_by_rotation(stack.document.read(), stack.signing_keys, NOW_MS, at_once=at_once)
        return [one.name for one in found]

    assert ending() == []
    stack.make("old", created_ms=1)
    gone = stack.make("gone", created_ms=1)
    operations.revoke(stack.document, stack.api_keys, gone.identity, 2)
    assert ending() == []  # no key has been replaced yet
    operations.rotate(stack.document, stack.signing_keys)
    stack.make("new")
    assert (ending(), ending(at_once=True)) == (["old"], ["old", "new"])


def test_a_rotation_at_once_ends_all_tokens(stack: Stack) -> None:
    first = stack.make("first")
    operations.rotate(stack.document, stack.signing_keys)
    second = stack.make("second")
    operations.rotate_at_once(stack.document, stack.signing_keys, NOW_MS)
    assert [stack.accepts(made.secret) for made in (first, second)] == [False, False]
    third = stack.make("first")  # the name is free
    assert stack.accepts(third.secret)


class Failing:
    """A client of AWS one of whose calls fails."""

    def __init__(self, client: Any, *names: str) -> None:
        self._client = client
        self._names = names

    def __getattr__(self, name: str) -> Any:
        if name in self._names:
            return self._fail
        return getattr(self._client, name)

    def _fail(self, **_: object) -> Any:
        raise self._client.exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "x")


def test_a_rotation_that_may_not_replace_the_key_ends_nothing(stack: Stack) -> None:
    made = stack.make("ci")
    keys = SigningKeys(Failing(stack.signing_keys.client, "put_secret_value"), stack.signing_keys.secret_arn)
    with pytest.raises(SldbError, match="not allowed to replace the signing key"):
        operations.rotate(stack.document, keys)
    assert stack.accepts(made.secret)
    assert stack.accepts(stack.make("other").secret)


def test_one_at_once_that_may_not_replace_the_key_is_on_the_safe_side(stack: Stack) -> None:
    made = stack.make("ci")
    keys = SigningKeys(Failing(stack.signing_keys.client, "put_secret_value"), stack.signing_keys.secret_arn)
    with pytest.raises(SldbError) as caught:
        operations.rotate_at_once(stack.document, keys, NOW_MS)
    assert (caught.value.details["applied"], "run it again" in caught.value.hint) == ("yes", True)
    assert not stack.accepts(made.secret)
    leaked = stack.signing_keys.current().key_id
    other = stack.make("other").secret
    assert (stack.accepts(other), read_token(str(other)).claims.key_id == leaked) == (True, False)
    assert leaked not in stack.document.read().key_ids
    operations.rotate_at_once(stack.document, stack.signing_keys, NOW_MS)
    assert not stack.accepts(other)
    assert stack.accepts(stack.make("other").secret)


def test_a_secret_that_was_deleted_and_made_again_signs_with_another_key(stack: Stack) -> None:
    """As by `sldb deploy --api none`, then `--api token`: the document stays, with the ids of the keys before."""
    before = stack.make("before")
    operations.rotate(stack.document, stack.signing_keys)
    client = stack.signing_keys.client
    client.delete_secret(SecretId=stack.signing_keys.secret_arn, ForceDeleteWithoutRecovery=True)
    with pytest.raises(SldbError, match="the secret that signs tokens is gone") as caught:
        stack.make("between")
    assert (caught.value.hint, caught.value.details["applied"]) == ("`sldb deploy` repairs it", "no")
    made = client.create_secret(Name=uuid.uuid4().hex, SecretString=new_secret())
    stack.signing_keys = SigningKeys(client, made["ARN"])
    tokens = [stack.make(name).secret for name in ("first", "second")]
    assert [stack.accepts(token) for token in (*tokens, before.secret)] == [True, True, False]
    assert len({read_token(str(token)).claims.key_id for token in tokens}) == 1  # it is not replaced again
    operations.rotate(stack.document, stack.signing_keys)
    assert [stack.accepts(token) for token in tokens] == [True, True]
    assert len(stack.document.read().key_ids) == 2


def test_a_key_that_may_not_be_replaced_makes_no_token(stack: Stack) -> None:
    stack.make("before")
    made = stack.signing_keys.client.create_secret(Name=uuid.uuid4().hex, SecretString=new_secret())
    keys = SigningKeys(Failing(stack.signing_keys.client, "put_secret_value"), made["ARN"])
    with pytest.raises(SldbError, match="not allowed to replace the signing key"):
        operations.create_token(stack.document, keys, entry("after"))
    assert keys.current().key_id not in stack.document.read().key_ids


def test_a_token_signed_by_the_key_before_a_rotation_at_once_is_not_made(stack: Stack) -> None:
    stack.make("first")

    class RotatedMeanwhile(SigningKeys):
        def current(self) -> Any:
            return key

    class Rotating(BucketDocument):
        def read(self) -> Any:
            found = super().read()
            if stack.signing_keys.current() == key:
                operations.rotate_at_once(stack.document, stack.signing_keys, NOW_MS)
            return found

    key = stack.signing_keys.current()
    stored = stack.document.stored
    assert isinstance(stored, BucketDocument)
    document = AccessDocument(Rotating(stored.s3, stored.bucket, stored.account_id), sleep=lambda _: None)
    with pytest.raises(SldbError) as caught:
        operations.create_token(document, RotatedMeanwhile(stack.signing_keys.client, ""), entry("late"))
    assert caught.value.code == "conflict"


def keys_of(stack: Stack) -> list[str]:
    name_prefix = stack.api_keys.stack
    found = stack.api_keys.client.get_api_keys(includeValues=True)["items"]
    return sorted(key["name"] for key in found if key["name"].startswith(name_prefix))


def test_an_api_key_is_in_the_plan_and_gone_once_revoked(stack: Stack) -> None:
    made = operations.create_key(stack.document, stack.api_keys, stack.plan_id, entry("partner"))
    key_id = made.identity.removeprefix("key:")
    found = stack.api_keys.client.get_api_key(apiKey=key_id, includeValue=True)
    assert (found["value"], found["enabled"]) == (made.secret, True)
    assert [key["id"] for key in stack.api_keys.client.get_usage_plan_keys(usagePlanId=stack.plan_id)["items"]] == [
        key_id
    ]
    assert find(stack.document.read(), "partner").identity == made.identity
    operations.revoke(stack.document, stack.api_keys, made.identity, NOW_MS)
    assert "test-db-partner" not in keys_of(stack)
    operations.revoke(stack.document, stack.api_keys, made.identity, NOW_MS)  # of a key that is gone


@pytest.mark.parametrize("step", ["plan", "name", "document"])
def test_a_key_that_cannot_be_finished_is_taken_back(stack: Stack, step: str) -> None:
    before, keys, document = keys_of(stack), stack.api_keys, stack.document
    if step == "plan":
        keys = ApiKeys(Failing(keys.client, "create_usage_plan_key"), "test-db")
    if step == "name":
        stack.make("partner")
    if step == "document":

        class Unwritable(BucketDocument):
            def write(self, data: bytes, version: str | None) -> bool:
                raise SldbError("store_error", "no")

        document = AccessDocument(Unwritable(document.stored.s3, document.stored.bucket, "123456789012"))  # type: ignore[attr-defined]
    with pytest.raises(SldbError):
        operations.create_key(document, keys, stack.plan_id, entry("partner"))
    assert keys_of(stack) == before
    assert [one for one in stack.document.read().callers if one.startswith("key:")] == []


def test_a_key_that_cannot_be_taken_back_is_named(stack: Stack) -> None:
    class Stuck(ApiKeys):
        def create(self, name: str) -> ApiKey:
            return ApiKey("k123", "secret-value")

        def delete(self, key_id: str) -> None:
            raise SldbError("store_error", f"cannot delete the API key {key_id}")

    with pytest.raises(SldbError) as caught:
        operations.create_key(stack.document, Stuck(stack.api_keys.client, "s"), "missing", entry())
    assert "k123" in caught.value.hint
    assert "secret-value" not in caught.value.hint + caught.value.message


def test_a_key_that_is_left_after_ctrl_c_is_named(stack: Stack) -> None:
    class Stopped(ApiKeys):
        def create(self, name: str) -> ApiKey:
            return ApiKey("k123", "secret-value")

        def add_to_plan(self, key_id: str, plan_id: str) -> None:
            raise KeyboardInterrupt

        def delete(self, key_id: str) -> None:
            raise SldbError("store_error", f"cannot delete the API key {key_id}")

    with pytest.raises(SldbError, match="cannot delete the API key k123: it opens nothing") as caught:
        operations.create_key(stack.document, Stopped(stack.api_keys.client, "s"), stack.plan_id, entry())
    assert isinstance(caught.value.__cause__, KeyboardInterrupt)


def test_a_key_that_cannot_be_deleted_is_revoked_all_the_same(stack: Stack) -> None:
    made = operations.create_key(stack.document, stack.api_keys, stack.plan_id, entry("partner"))
    keys = ApiKeys(Failing(stack.api_keys.client, "delete_api_key"), "test-db")
    with pytest.raises(SldbError, match="delete the API key") as caught:
        operations.revoke(stack.document, keys, made.identity, NOW_MS)
    assert caught.value.details["applied"] == "yes"
    assert find(stack.document.read(), "partner").state(NOW_MS) == "revoked"


def test_a_secret_that_is_no_key(stack: Stack) -> None:
    keys = stack.signing_keys
    keys.client.put_secret_value(SecretId=keys.secret_arn, SecretString="pa55word")
    with pytest.raises(SldbError) as caught:
        stack.make("ci")
    assert caught.value.code == "corrupt"
    assert "pa55word" not in f"{caught.value.message} {caught.value.hint} {caught.value.__cause__}"


def test_secrets_are_in_no_representation(stack: Stack) -> None:
    key = stack.signing_keys.current()
    assert key.secret not in repr(key)
    assert "v4lue" not in repr(ApiKey("k1", "v4lue"))
