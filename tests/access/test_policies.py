"""The policies of docs/access.md, as they stand there: well formed, of actions that exist, complete, and no more.

test_users.py puts them on users of the emulated AWS.
"""

from __future__ import annotations

import functools
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from sldb.deploy.template import template_path
from sldb.emulator.access import policy
from sldb.emulator.access.policy import Request
from sldb.emulator.calls.call import ACCOUNT, DEFAULT_REGION

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "access.md"
ROLES = ("reader", "writer", "operator", "sender", "deployer")
MAX_CHARACTERS = 6144  # of a managed policy, without white space (IAM's quotas)
# Statements about calls that know no resource, or for which a name cannot be known before.
ON_EVERYTHING = {"SeeNetworks", "SeeTheAccount", "ApiLogs", "MakeKeyOfAlarms", "MapTheQueue"}


@functools.cache
def policies() -> dict[str, list[dict[str, Any]]]:
    """The policies of the page by role, for this account and region: the role's own, then those of options."""
    sections = re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    found = {
        name.lower(): re.findall(r"^```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) for name, text in sections
    }
    return {role: [json.loads(_filled_in(text)) for text in texts] for role, texts in found.items() if texts}


def _filled_in(text: str) -> str:
    return text.replace("ACCOUNT", ACCOUNT).replace("REGION", DEFAULT_REGION).replace("key/KEY", "key/*")


def statements(role: str) -> list[dict[str, Any]]:
    return [statement for document in policies()[role] for statement in document["Statement"]]


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def actions(role: str) -> set[str]:
    return {action for statement in statements(role) for action in listed(statement["Action"])}


def allows(role: str, action: str) -> bool:
    """True if the policy allows the action on anything."""
    return any(policy.matches(pattern, action, ignore_case=True) for pattern in actions(role))


def test_the_page_has_a_policy_for_each_role() -> None:
    assert tuple(policies()) == ROLES


@pytest.mark.parametrize("role", ROLES)
def test_a_policy_is_what_iam_takes(role: str) -> None:
    for document in policies()[role]:
        assert len(re.sub(r"\s", "", json.dumps(document))) <= MAX_CHARACTERS
        policy.check(document)
    sids = [statement["Sid"] for statement in statements(role)]
    assert len(set(sids)) == len(sids)
    assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)
    for statement in statements(role):
        assert statement["Effect"] == "Allow"
        assert not [action for action in listed(statement["Action"]) if "*" in action]
        assert ("*" in listed(statement["Resource"])) == (statement["Sid"] in ON_EVERYTHING)


@functools.cache
def known_actions() -> dict[str, set[str]]:
    """The actions of each service in lower case, as cfn-lint has them from the service authorization reference."""
    text = (files("cfnlint") / "data" / "AdditionalSpecs" / "Policies.json").read_text()
    return {service: set(entry["Actions"]) for service, entry in json.loads(text).items()}


@pytest.mark.parametrize("role", ROLES)
def test_every_action_exists(role: str) -> None:
    for action in actions(role):
        service, _, name = action.partition(":")
        known = known_actions()[service]
        assert any(policy.matches(name.lower(), each) for each in known), action


PERMISSIONS_WITHOUT_A_CALL = {
    *("iam:PassRole", "lambda:InvokeFunction", "cloudformation:TagResource", "cloudformation:UntagResource")
}


@pytest.mark.parametrize("role", ROLES)
def test_an_action_is_written_as_the_call_is(role: str) -> None:
    """IAM ignores upper and lower case; readers and searches do not. S3 and API Gateway have names of their own."""
    session = botocore.session.Session()
    for action in sorted(actions(role) - PERMISSIONS_WITHOUT_A_CALL):
        service, _, name = action.partition(":")
        if service in ("s3", "apigateway") or "LogDeliver" in name:
            continue
        calls = session.get_service_model("efs" if service == "elasticfilesystem" else service).operation_names
        assert any(policy.matches(name, call) for call in calls), action


# The next role's rights


NOT_FOR: dict[str, list[tuple[str, str]]] = {
    "reader": [("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:123456789012:function:test-db-function")],
    "writer": [
        ("logs:FilterLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/test-db-function:x"),
        ("s3:PutObject", "arn:aws:s3:::test-db-data-123456789012-us-east-1/databases/_access/callers.json"),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:123456789012:secret:TokenSecret-x"),
        ("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:123456789012:function:test-db-function-deadlock-fix"),
    ],
    "operator": [
        ("cloudformation:ExecuteChangeSet", "arn:aws:cloudformation:us-east-1:123456789012:stack/test-db/1"),
        ("cloudformation:DeleteStack", "arn:aws:cloudformation:us-east-1:123456789012:stack/test-db/1"),
        ("lambda:UpdateFunctionCode", "arn:aws:lambda:us-east-1:123456789012:function:test-db-function"),
        ("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/test-db-QueryRole-x"),
        ("s3:PutBucketPolicy", "arn:aws:s3:::test-db-data-123456789012-us-east-1"),
        ("s3:PutObject", "arn:aws:s3:::test-db-data-123456789012-us-east-1/databases/main/head.json"),
        ("s3:DeleteObject", "arn:aws:s3:::test-db-data-123456789012-us-east-1/databases/main/lock.json"),
        ("s3:PutObject", "arn:aws:s3:::test-db-data-123456789012-us-east-1/databases/main/0000/1.ltx"),
        ("ec2:DeleteSecurityGroup", "arn:aws:ec2:us-east-1:123456789012:security-group/sg-of-another"),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:123456789012:secret:other-x"),
        ("apigateway:DELETE", "arn:aws:apigateway:us-east-1::/apis/x"),
    ],
    "deployer": [
        ("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:123456789012:function:test-db-function"),
        ("s3:GetObject", "arn:aws:s3:::test-db-data-123456789012-us-east-1/databases/main/0000/1.ltx"),
        ("s3:DeleteObject", "arn:aws:s3:::test-db-data-123456789012-us-east-1/databases/main/0000/1.ltx"),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:123456789012:secret:TokenSecret-x"),
        ("iam:CreateRole", "arn:aws:iam::123456789012:role/of-another"),
        ("iam:CreateUser", "arn:aws:iam::123456789012:user/x"),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/test-db-x"),  # to another service
        ("cloudformation:DeleteStack", "arn:aws:cloudformation:us-east-1:123456789012:stack/other/1"),
        ("cloudformation:DeleteStack", "arn:aws:cloudformation:us-east-1:123456789012:stack/test-db-two/1"),
    ],
}


@pytest.mark.parametrize(("role", "action", "resource"), [(r, *each) for r, found in NOT_FOR.items() for each in found])
def test_a_policy_allows_no_more(role: str, action: str, resource: str) -> None:
    assert policy.decide(policies()[role], Request(action, resource)) == "silent"


# What CloudFormation needs for the resources of the template, by the schemas of its registry

# Permissions of the schemas that other properties need than those of the template, as patterns.
NOT_NEEDED = {
    "AWS::EC2::VPC": "ec2:*Encryption* ec2:DescribeNetworkAcls ec2:ModifyVpcTenancy",
    "AWS::EC2::SecurityGroup": "ec2:DescribeInstances",
    "AWS::EC2::Subnet": "ec2:*CidrBlock ec2:DescribeNetworkAcls",
    "AWS::EFS::FileSystem": "kms:* elasticfilesystem:DeleteTags elasticfilesystem:UpdateFileSystemProtection "
    "elasticfilesystem:CreateReplicationConfiguration elasticfilesystem:DeleteReplicationConfiguration",
    "AWS::IAM::Role": "iam:AttachRolePolicy iam:DetachRolePolicy",  # no managed policies
    "AWS::Lambda::Function": "kms:* ec2:Describe* elasticfilesystem:* s3files:* s3:GetObjectVersion lambda:*Config "
    "lambda:GetLayerVersion lambda:PassCapacityProvider lambda:PublishVersion",
    "AWS::Lambda::Alias": "codedeploy:*",  # no gradual change of versions
    "AWS::Lambda::Version": "lambda:*RuntimeManagementConfig lambda:*FunctionScalingConfig",
    "AWS::Logs::LogGroup": "firehose:* logs:PutDataProtectionPolicy logs:DeleteDataProtectionPolicy logs:*IndexPolicy "
    "logs:DeleteResourcePolicy logs:PutBearerTokenAuthentication logs:PutLogGroupDeletionProtection",
    "AWS::S3::Bucket": "s3tables:* s3:*Metadata* s3:*Website s3:PutObjectAcl s3:PutAccelerateConfiguration "
    "s3:PutAnalyticsConfiguration s3:PutIntelligentTieringConfiguration s3:PutInventoryConfiguration "
    "s3:PutMetricsConfiguration s3:PutReplicationConfiguration s3:PutBucketObjectLockConfiguration",
    "AWS::ApiGatewayV2::DomainName": "s3:GetObjectVersion",  # no mutual TLS
    "AWS::ApiGateway::RestApi": "apigateway:UpdateRestApiPolicy",
    "AWS::KMS::Key": "kms:DisableKey kms:EnableKey",  # it is never switched off
    "AWS::SNS::Topic": "sns:PutDataProtectionPolicy",
    "AWS::SNS::Subscription": "sns:SetSubscriptionAttributes",
    "AWS::IAM::Policy": "iam:*UserPolicy iam:*GroupPolicy",  # of a role alone
    "AWS::Lambda::EventSourceMapping": "kms:*",  # no encrypted filter criteria
    # CloudFormation makes the secret by GetRandomPassword; replicas there are none. Who deploys makes no tokens.
    "AWS::SecretsManager::Secret": "secretsmanager:GetSecretValue secretsmanager:*Repl*",
}


@functools.cache
def schemas() -> tuple[dict[str, str], Any]:
    data = files("cfnlint") / "data" / "schemas"
    return json.loads((data / "providers" / "us-east-1.json").read_text()), data / "resources"


def types_of_the_template() -> list[str]:
    return sorted(set(re.findall(r"^    Type: (AWS::\w+::\w+)$", template_path().read_text(), re.MULTILINE)))


def schema_of(resource_type: str) -> dict[str, Any]:
    """Return CloudFormation's schema of a type."""
    by_type, resources = schemas()
    name = by_type[resource_type]
    found: dict[str, Any] = json.loads((resources / (name if name.endswith(".json") else f"{name}.json")).read_text())
    return found


def handlers(resource_type: str) -> set[str]:
    found = schema_of(resource_type).get("handlers", {})
    return {
        permission
        for operation in ("create", "read", "update", "delete")
        for permission in found.get(operation, {}).get("permissions", [])
    }


def needed(resource_type: str) -> set[str]:
    """What CloudFormation needs for a resource of the template."""
    unneeded = NOT_NEEDED.get(resource_type, "").split()
    return {
        each
        for each in handlers(resource_type)
        if is_action(each) and not any(policy.matches(pattern, each) for pattern in unneeded)
    }


# Rights of the deployer that the schemas do not have: those of the commands, which test_users.py sees in use …
BY_COMMANDS = {
    *(f"cloudformation:{name}ChangeSet" for name in ("Create", "Describe", "Execute", "Delete")),
    *("cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents"),
    *("cloudformation:ListStackResources", "cloudformation:GetTemplate", "cloudformation:DeleteStack"),
    *("cloudformation:DetectStackDrift", "cloudformation:DescribeStackDriftDetectionStatus"),
    "cloudformation:DescribeStackResourceDrifts",
    *("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucketVersions"),
    *("lambda:GetFunctionConfiguration", "iam:ListRolePolicies", "events:ListTargetsByRule"),
}
# … and the others, with their reasons.
FOR_OTHERS = {
    "cloudformation:ListChangeSets": "sldb/stack/cloudformation.py: of a stack whose making was begun and not executed",
    "cloudformation:ContinueUpdateRollback": "sldb/stack/cloudformation.py: after a rollback that failed",
    "cloudformation:TagResource": "CloudFormation, of a stack with tags",
    "cloudformation:UntagResource": "CloudFormation, of a stack that loses tags",
    "s3:AbortMultipartUpload": "boto3, if the upload of a bundle fails",
    "logs:GetLogDelivery": "API Gateway, for access logs (its guide, Configure logging for HTTP APIs)",
    "logs:UpdateLogDelivery": "the same",
    "logs:DeleteLogDelivery": "the same",
    "logs:ListLogDeliveries": "the same",
    "kms:GetKeyPolicy": "sldb/deploy/protection/key.py",
    **dict.fromkeys(
        ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:CreateGrant"),
        "services that are given a key of KMS ask for them in the name of their caller",
    ),
    "ec2:CreateNetworkInterface": "EFS, for mount targets (its reference, CreateMountTarget)",
    "ec2:DescribeNetworkInterfaces": "the same",
    "ec2:DeleteNetworkInterface": "EFS, for mount targets (its reference, DeleteMountTarget)",
    "ec2:DescribeAvailabilityZones": "CloudFormation, for Fn::GetAZs",
}


def test_the_deployer_may_nothing_without_a_use() -> None:
    of_schemas = {each for resource_type in types_of_the_template() for each in needed(resource_type)}
    assert actions("deployer") - of_schemas - BY_COMMANDS - FOR_OTHERS.keys() == set()
    assert (BY_COMMANDS | FOR_OTHERS.keys()) - actions("deployer") == set()


@pytest.mark.parametrize("resource_type", types_of_the_template())
def test_the_deployer_may_do_what_the_resource_takes(resource_type: str) -> None:
    assert {each for each in needed(resource_type) if not allows("deployer", each)} == set()


def is_action(permission: str) -> bool:
    """The schemas also have names that are none, such as s3:REST.PUT.OBJECT."""
    service, _, name = permission.partition(":")
    return name.lower() in known_actions().get(service, ())
