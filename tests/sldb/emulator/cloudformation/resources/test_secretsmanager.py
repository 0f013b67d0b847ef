"""AWS::SecretsManager::Secret in stacks: made with a value of its own, kept through updates, gone for good."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.aws.cloudformation import Stack, drifts, revert_drift


def template(**properties: Any) -> dict[str, Any]:
    wanted = {"Description": "signs tokens", "GenerateSecretString": {"PasswordLength": "64"}, **properties}
    return {
        "Resources": {
            "Key": {
                "Type": "AWS::SecretsManager::Secret",
                "Properties": {name: value for name, value in wanted.items() if value is not None},
            }
        },
        "Outputs": {"Arn": {"Value": {"Ref": "Key"}}, "Id": {"Value": {"Fn::GetAtt": ["Key", "Id"]}}},
    }


@pytest.fixture
def deployed(stack: Stack) -> Stack:
    assert stack.apply(template(), creates=True) == "CREATE_COMPLETE"
    return stack


def value(stack: Stack) -> str:
    found = stack.account.client("secretsmanager").get_secret_value(SecretId=stack.physical("Key"))
    return str(found["SecretString"])


def describe(stack: Stack) -> dict[str, Any]:
    return dict(stack.account.client("secretsmanager").describe_secret(SecretId=stack.physical("Key")))


def test_it_is_made_with_a_generated_value(deployed: Stack) -> None:
    arn = deployed.physical("Key")
    assert arn.startswith("arn:aws:secretsmanager:us-east-1:123456789012:secret:Key-")
    assert {output["OutputValue"] for output in deployed.describe()["Outputs"]} == {arn}
    assert len(value(deployed)) == 64
    assert describe(deployed)["Description"] == "signs tokens"


@pytest.mark.parametrize(
    ("settings", "pattern"),
    [
        ({"PasswordLength": 40, "ExcludePunctuation": True}, r"[a-zA-Z0-9]{40}"),
        ({"ExcludeCharacters": "\"'\\"}, r"[^\"'\\]{32}"),
        (
            {"SecretStringTemplate": '{"user": "u"}', "GenerateStringKey": "key", "ExcludePunctuation": "true"},
            r'\{"user": "u", "key": "\w{32}"\}',
        ),
    ],
)
def test_the_generated_value_is_as_the_template_says(stack: Stack, settings: Any, pattern: str) -> None:
    import re

    assert stack.apply(template(GenerateSecretString=settings), creates=True) == "CREATE_COMPLETE"
    assert re.fullmatch(pattern, value(stack))


def test_an_update_keeps_the_value_unless_its_rule_changes(deployed: Stack) -> None:
    before, arn = value(deployed), deployed.physical("Key")
    tags = [{"Key": "a", "Value": "1"}]
    assert deployed.apply(template(Description="other", Tags=tags)) == "UPDATE_COMPLETE"
    assert (value(deployed), describe(deployed)["Description"], describe(deployed)["Tags"]) == (before, "other", tags)
    assert deployed.apply(template(Description=None)) == "UPDATE_COMPLETE"
    assert (value(deployed), describe(deployed).get("Description")) == (before, None)
    assert deployed.apply(template(GenerateSecretString={"PasswordLength": 32})) == "UPDATE_COMPLETE"
    assert len(value(deployed)) == 32
    assert deployed.physical("Key") == arn
    assert deployed.apply(template(Name="named")) == "UPDATE_COMPLETE"  # a replacement
    assert ":secret:named-" in deployed.physical("Key")
    with pytest.raises(ClientError, match="can't find the specified secret"):
        deployed.account.client("secretsmanager").describe_secret(SecretId=arn)


def test_a_deleted_stack_leaves_no_secret(deployed: Stack) -> None:
    arn = deployed.physical("Key")
    assert deployed.delete() == "DELETE_COMPLETE"
    listed = deployed.account.client("secretsmanager").list_secrets(IncludePlannedDeletion=True)["SecretList"]
    assert arn not in {secret["ARN"] for secret in listed}


def test_a_secret_that_is_taken_is_not_taken_over(deployed: Stack, account: Any, wait: Any) -> None:
    other = Stack(account, wait)
    name = describe(deployed)["Name"]
    assert other.apply(template(Name=name), creates=True) == "ROLLBACK_COMPLETE"
    assert "already exists" in other.reason("Key", "CREATE_FAILED")
    assert len(value(deployed)) == 64


@pytest.mark.parametrize("window", [{"ForceDeleteWithoutRecovery": True}, {"RecoveryWindowInDays": 7}])
def test_drift(deployed: Stack, window: dict[str, Any]) -> None:
    assert revert_drift(deployed, template())["Status"] == "FAILED"  # nothing has drifted
    secrets, arn = deployed.account.client("secretsmanager"), deployed.physical("Key")
    secrets.update_secret(SecretId=arn, Description="changed by hand")
    assert drifts(revert_drift(deployed, template())) == {"Key": "MODIFIED"}
    secrets.delete_secret(SecretId=arn, **window)
    change_set = revert_drift(deployed, template())
    assert drifts(change_set) == {"Key": "DELETED"}
    deployed.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert deployed.settled() == "UPDATE_COMPLETE"
    assert deployed.physical("Key") != arn
    assert len(value(deployed)) == 64
