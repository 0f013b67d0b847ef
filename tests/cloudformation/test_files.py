"""The template keeps the promises about databases in EFS."""

from __future__ import annotations

from typing import Any

import pytest

from sldb.deploy.storage.options import MAX_SUBNETS, STORAGES
from sldb.stack.resource_change import FILE_SYSTEM
from tests.cloudformation.test_template import statements, template

__all__ = ["template"]  # the fixture

ROLES = {"QueryRole": True, "DeadlockFixRole": True, "ReadRole": False, "FilesRole": True}  # and whether they write


def test_nothing_deletes_the_file_system(template: dict[str, Any]) -> None:
    system = template["Resources"][FILE_SYSTEM]
    assert (system["DeletionPolicy"], system["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert system["Properties"]["Encrypted"] is True
    assert system["Properties"]["BackupPolicy"] == {"Status": "ENABLED"}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_mounts_by_the_access_point_alone_and_by_tls(template: dict[str, Any], role: str) -> None:
    found = {each["Sid"]: each for each in statements(template, role, with_files=True)}
    mount, network, only_lambda = found["Mount"], found["ConnectToTheNetwork"], found["OnlyLambdaItself"]
    wanted = ["elasticfilesystem:ClientMount", *(["elasticfilesystem:ClientWrite"] if ROLES[role] else [])]
    assert mount["Action"] == (wanted if len(wanted) > 1 else wanted[0])
    assert mount["Condition"]["StringEquals"] == {
        "elasticfilesystem:AccessPointArn": {"Fn::GetAtt": ["AccessPoint", "Arn"]}
    }
    assert mount["Condition"]["Bool"] == {"aws:SecureTransport": "true"}
    assert only_lambda["Effect"] == "Deny"
    assert "ec2:CreateNetworkInterface" in only_lambda["Action"]
    assert set(only_lambda["Action"]) < set(network["Action"])


def test_the_function_that_migrates_does_not_reach_the_bucket(template: dict[str, Any]) -> None:
    """So it needs no right to the key of KMS, whatever encrypts the bucket."""
    actions = [each["Action"] for each in statements(template, "FilesRole", with_files=True)]
    assert not [each for each in actions if "s3:" in str(each) or "kms:" in str(each)]


@pytest.mark.parametrize("role", ["QueryRole", "DeadlockFixRole", "ReadRole"])
def test_a_role_in_efs_has_no_right_to_the_bucket(template: dict[str, Any], role: str) -> None:
    """Nor one to its key, and none to locks, which are files."""
    needs_bucket = {"UsesBucket", "HasBucketKey", "HasFormerBucketKeys", "HasLockVpc"}
    for policy in template["Resources"][role]["Properties"]["Policies"]:
        condition, actual = policy["Fn::If"][:2] if "Fn::If" in policy else ("", policy)
        services = {action.partition(":")[0] for each in actual["PolicyDocument"]["Statement"] for action in _of(each)}
        is_for_locks = actual["PolicyName"] == "locks"
        assert (condition in needs_bucket) == (bool(services & {"s3", "kms"}) or is_for_locks)
    assert template["Conditions"]["UsesBucket"] == {
        "Fn::Or": [{"Fn::Not": [{"Condition": "OnEfs"}]}, {"Condition": "Migrates"}]
    }


def _of(statement: dict[str, Any]) -> list[str]:
    return [statement["Action"]] if isinstance(statement["Action"], str) else list(statement["Action"])


def test_the_policy_of_the_file_system_only_denies(template: dict[str, Any]) -> None:
    policy = template["Resources"][FILE_SYSTEM]["Properties"]["FileSystemPolicy"]
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Deny"}
    names = [each["Fn::Sub"].rpartition("-")[0].rpartition("-")[2] for each in _roles(policy)]
    assert names == list(ROLES)


def _roles(policy: dict[str, Any]) -> list[dict[str, str]]:
    found = next(each for each in policy["Statement"] if each["Sid"] == "OnlyTheRolesOfTheFunctions")
    names: list[dict[str, str]] = found["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    return names


def test_the_parameters_are_those_of_the_options(template: dict[str, Any]) -> None:
    assert tuple(template["Parameters"]["Storage"]["AllowedValues"]) == STORAGES
    assert f"MountTarget{MAX_SUBNETS}" in template["Resources"]
    assert f"MountTarget{MAX_SUBNETS + 1}" not in template["Resources"]


def test_nothing_but_nfs_leaves_or_enters(template: dict[str, Any]) -> None:
    resources = template["Resources"]
    [out] = resources["FunctionsSecurityGroup"]["Properties"]["SecurityGroupEgress"]
    into = resources["FilesIngress"]["Properties"]
    assert (out["FromPort"], out["ToPort"], out["DestinationSecurityGroupId"]) == (
        2049,
        2049,
        {"Ref": "FilesSecurityGroup"},
    )
    assert (into["FromPort"], into["ToPort"], into["SourceSecurityGroupId"]) == (
        2049,
        2049,
        {"Ref": "FunctionsSecurityGroup"},
    )
