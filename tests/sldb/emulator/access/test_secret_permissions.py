"""A role needs the right to each call of Secrets Manager, by the secret's ARN, version stage and tags."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sldb.emulator.access.test_iam import allow


@pytest.fixture(scope="module")
def secret(account: Any) -> str:
    made = account.client("secretsmanager").create_secret(
        Name="signing", SecretString="key", Tags=[{"Key": "sldb:stack", "Value": "test-db"}]
    )
    return str(made["ARN"])


def client(account: Any, *statements: dict[str, Any]) -> Any:
    return account.as_role(account.role(*statements), "secretsmanager")


def refused(call: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(caught.value.response["Error"]["Message"])


def test_a_reader_reads_its_secret_by_name_and_arn_and_nothing_else(account: Any, secret: str) -> None:
    reader = client(account, allow("secretsmanager:GetSecretValue", secret))
    assert reader.get_secret_value(SecretId=secret)["SecretString"] == "key"
    assert reader.get_secret_value(SecretId="signing")["SecretString"] == "key"
    assert "secretsmanager:PutSecretValue" in refused(
        lambda: reader.put_secret_value(SecretId=secret, SecretString="x")
    )
    refused(lambda: reader.describe_secret(SecretId=secret))
    refused(lambda: reader.list_secret_version_ids(SecretId=secret))
    refused(
        lambda: reader.update_secret_version_stage(SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId="v" * 32)
    )
    assert ":secret:other" in refused(lambda: reader.get_secret_value(SecretId="other"))  # not even whether it exists


def test_a_role_without_policies_reads_no_secret(account: Any, secret: str) -> None:
    assert "no identity-based policy allows" in refused(lambda: client(account).get_secret_value(SecretId=secret))


def test_conditions_on_stage_and_tag(account: Any, secret: str) -> None:
    stage = {"secretsmanager:VersionStage": "AWSCURRENT"}
    by_stage = client(account, allow("secretsmanager:GetSecretValue", "*", StringEquals=stage))
    assert by_stage.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"] == "key"
    refused(lambda: by_stage.get_secret_value(SecretId=secret, VersionStage="AWSPREVIOUS"))
    for family in ("aws", "secretsmanager"):
        tag = {f"{family}:ResourceTag/sldb:stack": "test-db"}
        by_tag = client(account, allow("secretsmanager:GetSecretValue", "*", StringEquals=tag))
        assert by_tag.get_secret_value(SecretId=secret)["SecretString"] == "key"
        other = {f"{family}:ResourceTag/sldb:stack": "another"}
        by_other = client(account, allow("secretsmanager:GetSecretValue", "*", StringEquals=other))
        refused(lambda reader=by_other: reader.get_secret_value(SecretId=secret))


def test_a_forged_signature_is_refused(account: Any, secret: str) -> None:
    reader = client(account, allow("secretsmanager:*", "*"))
    reader._request_signer._credentials.secret_key = "forged"
    with pytest.raises(ClientError) as caught:
        reader.get_secret_value(SecretId=secret)
    assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
