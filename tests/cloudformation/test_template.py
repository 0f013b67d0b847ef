"""The template keeps its promises, read the way CloudFormation reads it: by cfn-lint's own parser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lambda_handlers.database.transaction.stored_tokens import KEPT_SECONDS
from lambda_handlers.database.transaction.token import LIFE_SECONDS
from lambda_handlers.settings import LOG_LEVELS
from lambda_handlers.storage.log.keys import (
    cancel_prefix,
    replies_prefix,
    reply_key,
    stream_key,
    streams_prefix,
    transactions_key,
)
from lambda_handlers.store.protocol import PRIVATE_PREFIX
from lambda_handlers.wire import DATABASE_NAME
from sldb.deploy import losses
from sldb.deploy.bundle.platform import ARCHITECTURES, RUNTIMES
from sldb.deploy.losses import role_policies
from sldb.deploy.parameters import DEFAULTS, LOCK_KINDS, Choices, resolve
from sldb.deploy.template import MAX_BYTES, template_path, template_text
from sldb.deploy.versions import RULE
from sldb.stack.names import default_function, read_function
from sldb.stack.resource_change import DATA_BUCKET

# What there is without an API; tests/cloudformation/test_apis.py has the others.
TYPES = {
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::EC2::VPC",
    "AWS::IAM::Role",
    "AWS::Lambda::Function",
    "AWS::Lambda::Permission",
    "AWS::Events::Rule",
    "AWS::Logs::LogGroup",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::IAM::Policy",
    "AWS::Lambda::EventInvokeConfig",
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    from cfnlint.decode.cfn_yaml import load  # type: ignore[import-untyped]  # publishes no types

    loaded: dict[str, Any] = load(str(template_path()))
    return loaded


def statements(template: dict[str, Any], role: str, *, with_files: bool = False) -> Iterator[dict[str, Any]]:
    """The statements of a role; those for databases in EFS only `with_files`."""
    for policy in template["Resources"][role]["Properties"]["Policies"]:
        actual = policy["Fn::If"][1] if "Fn::If" in policy else policy
        if actual["PolicyName"] == "files" and not with_files:
            continue
        yield from actual["PolicyDocument"]["Statement"]


def actions(template: dict[str, Any], role: str) -> set[str]:
    found: set[str] = set()
    for statement in statements(template, role):
        action = statement["Action"]
        found |= {action} if isinstance(action, str) else set(action)
    return found


def by_action(template: dict[str, Any], role: str, action: str) -> list[dict[str, Any]]:
    return [
        s
        for s in statements(template, role)
        if action in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])
    ]


@pytest.mark.long  # `make template` runs it, too
def test_cfn_lint_finds_nothing() -> None:
    from cfnlint.api import lint_file  # type: ignore[import-untyped]  # publishes no types

    assert [str(match) for match in lint_file(template_path())] == []


def test_cloudformation_takes_it_from_s3_and_returns_it_unchanged() -> None:
    assert len(template_text().encode()) <= MAX_BYTES
    assert template_text().isascii()  # GetTemplate has question marks for other characters (users' reports)


def test_a_stack_without_apis_has_few_types(template: dict[str, Any]) -> None:
    resources = template["Resources"].values()
    assert {
        each["Type"] for each in resources if each.get("Condition") in (None, "CreatesBucket", "HasLockVpc")
    } == TYPES


@pytest.mark.parametrize("policy", ["DeletionPolicy", "UpdateReplacePolicy"])
def test_nothing_deletes_the_data_bucket(template: dict[str, Any], policy: str) -> None:
    assert template["Resources"][DATA_BUCKET][policy] == "Retain"


def test_the_data_bucket_is_private_encrypted_and_cleans_up(template: dict[str, Any]) -> None:
    properties = template["Resources"][DATA_BUCKET]["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert "ServerSideEncryptionConfiguration" in properties["BucketEncryption"]
    rules = properties["LifecycleConfiguration"]["Rules"]
    deleted, aborts, replies, streams, marks = rules
    assert sorted(deleted) == ["ExpiredObjectDeleteMarker", "Id", "NoncurrentVersionExpiration", "Status"]
    assert deleted["Id"] == RULE
    assert properties["VersioningConfiguration"]["Fn::If"][2] == {"Ref": "AWS::NoValue"}  # off until it is asked for
    assert sorted(aborts) == ["AbortIncompleteMultipartUpload", "Id", "Status"]  # expires nothing
    assert (replies["Prefix"], replies["ExpirationInDays"]) == ("databases/" + reply_key(""), 1)
    assert (streams["Prefix"], streams["ExpirationInDays"]) == ("databases/" + stream_key(""), 2)
    assert (marks["Prefix"], marks["ExpirationInDays"]) == ("databases/" + cancel_prefix(), 1)
    assert streams["ExpirationInDays"] * 86_400 == KEPT_SECONDS > LIFE_SECONDS
    for key in (reply_key(""), stream_key(""), transactions_key(), cancel_prefix()):
        assert not DATABASE_NAME.fullmatch(key.partition("/")[0])


def test_the_bucket_policy_wants_tls_and_conditional_commits(template: dict[str, Any]) -> None:
    document = template["Resources"]["DataBucketPolicy"]["Properties"]["PolicyDocument"]
    tls, commits, *_ = document["Statement"]
    assert {tls["Effect"], commits["Effect"]} == {"Deny"}
    assert tls["Action"] == "s3:*"
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert commits["Action"] == "s3:PutObject"
    assert commits["Resource"]["Fn::Sub"][0].endswith("/*.ltx")
    assert commits["Condition"]["Null"] == {"s3:if-none-match": "true"}


def test_the_key_of_tokens_is_for_the_functions_that_run_sql(template: dict[str, Any]) -> None:
    """tests/sldb/emulator/access/test_roles.py shows what follows from it."""
    document = template["Resources"]["DataBucketPolicy"]["Properties"]["PolicyDocument"]
    keys = document["Statement"][2]
    assert (keys["Effect"], keys["Principal"]) == ("Deny", "*")
    assert set(keys["Action"]) == {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"}
    query, reader = keys["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
    assert query == {"Fn::GetAtt": ["QueryRole", "Arn"]}
    assert reader["Fn::If"][:2] == ["HasReaders", {"Fn::GetAtt": ["ReadRole", "Arn"]}]
    (of_role,) = by_action(template, "DeadlockFixRole", "s3:*")
    assert of_role["Effect"] == "Deny"
    for resource in (keys["Resource"], of_role["Resource"][0]):
        assert resource["Fn::Sub"][0].endswith(":s3:::${Bucket}/databases/" + PRIVATE_PREFIX + "*")
    assert transactions_key().startswith(PRIVATE_PREFIX)


def test_the_query_function_may_delete_no_object(template: dict[str, Any]) -> None:
    granted = actions(template, "QueryRole")
    assert {action for action in granted if action.startswith("s3:")} == {
        "s3:GetObject",
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:ListBucket",
    }
    assert not any("*" in action for action in granted)


def test_the_function_that_only_reads_creates_replies_and_tokens_and_nothing_else(template: dict[str, Any]) -> None:
    granted = actions(template, "ReadRole")
    assert {action for action in granted if not action.startswith(("logs:", "xray:", "kms:"))} == {
        "s3:GetObject",
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:ListBucket",
    }
    create, deny = by_action(template, "ReadRole", "s3:PutObject")
    assert (create["Effect"], deny["Effect"], deny["Resource"]) == ("Allow", "Deny", "*")
    names = [resource["Fn::Sub"][0].partition("${Bucket}/databases/")[2] for resource in create["Resource"]]
    assert names == [f"{replies_prefix()}*", f"{streams_prefix()}*"]


def test_the_function_that_only_reads_is_the_query_function_with_another_setting(template: dict[str, Any]) -> None:
    reader, query = (template["Resources"][name] for name in ("ReadFunction", "QueryFunction"))
    assert reader["Condition"] == template["Resources"]["ReadRole"]["Condition"] == "HasReaders"
    own = ("FunctionName", "Description", "Role", "Environment", "ReservedConcurrentExecutions")
    assert {name: value for name, value in reader["Properties"].items() if name not in own} == {
        name: value for name, value in query["Properties"].items() if name not in own
    }
    assert reader["Properties"]["FunctionName"] == {"Fn::Sub": read_function("${FunctionName}")}
    variables, others = (each["Properties"]["Environment"]["Variables"] for each in (reader, query))
    assert variables.pop("SLDB_READ_ONLY") == "true"
    left_out = {
        *("SLDB_LOCK", "SLDB_LOCK_MAX_AGE_SECONDS", "SLDB_VPC_ID", "SLDB_LOCK_TAGS", "SLDB_CORS_ORIGINS"),
        *("SLDB_QUEUE_TRIES", "SLDB_QUEUE_RETENTION_DAYS", "SLDB_MOVING_TO"),
        "SLDB_READ_ONLY",
        "SLDB_LOCK",
        "SLDB_LOCK_MAX_AGE_SECONDS",
        "SLDB_VPC_ID",
        "SLDB_LOCK_TAGS",
        "SLDB_CORS_ORIGINS",
    }
    assert variables == {name: value for name, value in others.items() if name not in left_out}


def test_only_the_deadlock_fix_function_deletes_objects_and_only_what_ages(template: dict[str, Any]) -> None:
    (statement,) = by_action(template, "DeadlockFixRole", "s3:DeleteObject")
    names = [resource["Fn::Sub"][0].partition("${Bucket}/")[2] for resource in statement["Resource"]]
    assert names == [
        "databases/*.ltx",
        "databases/*.pages",
        "databases/*/uploads/*",
        "databases/_locks/*",
        "databases/_work/*",
        "databases/_doubt*",
    ]


@pytest.mark.parametrize("role", ["QueryRole", "DeadlockFixRole"])
def test_large_objects_can_be_made_in_parts(template: dict[str, Any], role: str) -> None:
    """CopyObject and the parts of an upload need nothing but these, on both sides."""
    (statement,) = by_action(template, role, "s3:AbortMultipartUpload")
    assert statement["Effect"] == "Allow"
    assert set(statement["Action"]) == {"s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"}
    assert statement["Resource"]["Fn::Sub"][0].endswith(":s3:::${Bucket}/databases/*")


@pytest.mark.parametrize("role", ["QueryRole", "DeadlockFixRole"])
def test_locks_are_freed_only_with_the_tag_of_the_stack(template: dict[str, Any], role: str) -> None:
    (statement,) = by_action(template, role, "ec2:DeleteSecurityGroup")
    assert statement["Condition"] == {"StringEquals": {"aws:ResourceTag/sldb:stack": {"Ref": "AWS::StackName"}}}


def test_locks_are_made_only_in_the_vpc_of_the_stack_and_with_its_tag(template: dict[str, Any]) -> None:
    group, vpc = by_action(template, "QueryRole", "ec2:CreateSecurityGroup")
    assert group["Condition"] == {"StringEquals": {"aws:RequestTag/sldb:stack": {"Ref": "AWS::StackName"}}}
    assert vpc["Resource"]["Fn::Sub"].endswith(":vpc/${LockVpc}")
    (tags,) = by_action(template, "QueryRole", "ec2:CreateTags")
    assert tags["Condition"] == {"StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"}}


def test_the_deadlock_fix_function_makes_no_lock(template: dict[str, Any]) -> None:
    assert {a for a in actions(template, "DeadlockFixRole") if a.startswith("ec2:")} == {
        "ec2:DescribeSecurityGroups",
        "ec2:DeleteSecurityGroup",
    }


@pytest.mark.parametrize("role", ["QueryRole", "DeadlockFixRole"])
def test_only_what_has_no_resource_is_granted_on_everything(template: dict[str, Any], role: str) -> None:
    wide = [s["Action"] for s in statements(template, role) if s.get("Resource") == "*"]
    traces = [["xray:PutTraceSegments", "xray:PutTelemetryRecords"]] if role == "QueryRole" else []
    assert wide == [*traces, "ec2:DescribeSecurityGroups"]


@pytest.mark.parametrize("role", ["QueryRole", "DeadlockFixRole"])
def test_a_function_writes_to_its_own_log_only(template: dict[str, Any], role: str) -> None:
    name = {"QueryRole": "FunctionName", "DeadlockFixRole": "DeadlockFixFunctionName"}[role]
    (statement,) = by_action(template, role, "logs:PutLogEvents")
    assert statement["Resource"]["Fn::Sub"].endswith(f":log-group:/aws/lambda/${{{name}}}:*")


def test_nothing_refers_to_an_attribute_of_a_function(template: dict[str, Any]) -> None:
    """CloudFormation would announce a possible replacement with every change of the code."""

    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "Fn::GetAtt":
                    yield value[0] if isinstance(value, list) else value.split(".")[0]
                elif key == "Ref":
                    yield value
                else:
                    yield from references(value)
        elif isinstance(node, list):
            for item in node:
                yield from references(item)

    assert not {"QueryFunction", "DeadlockFixFunction"} & set(references(template["Resources"]))


@pytest.mark.parametrize(
    ("parameters", "has_vpc"),
    [
        ({"LockKind": "security-group", "KeepLockVpc": "false"}, True),
        ({"LockKind": "s3", "KeepLockVpc": "true"}, True),
        ({"LockKind": "none", "KeepLockVpc": "false"}, False),
        ({"LockKind": "security-group", "KeepLockVpc": "false", "Storage": "efs"}, False),
        ({"LockKind": "s3", "KmsKey": "arn:…", "FormerKmsKeys": "arn:…"}, False),
        ({"LockKind": "s3", "KmsKey": "arn:…", "FormerKmsKeys": "arn:…", "Storage": "efs"}, False),
        ({"LockKind": "s3", "KmsKey": "arn:…", "Storage": "efs", "Migration": "final"}, False),
    ],
)
@pytest.mark.parametrize("role", ["QueryRole", "DeadlockFixRole", "ReadRole"])
@pytest.mark.parametrize("tracing", ["true", "false"])
def test_the_deployer_misses_every_policy_that_a_role_has(
    template: dict[str, Any], role: str, tracing: str, parameters: dict[str, str], has_vpc: bool
) -> None:
    parameters = {**parameters, "Tracing": tracing}
    holds = {"": True, "HasLockVpc": has_vpc, "HasTracing": tracing == "true"}
    holds["OnEfs"] = parameters.get("Storage") == "efs"
    holds["UsesBucket"] = not holds["OnEfs"] or "Migration" in parameters
    holds["HasBucketKey"] = "KmsKey" in parameters and holds["UsesBucket"]
    holds["HasFormerBucketKeys"] = "FormerKmsKeys" in parameters and holds["UsesBucket"]
    names = []
    for entry in template["Resources"][role]["Properties"]["Policies"]:
        condition, policy, _ = entry.get("Fn::If", ("", entry, None))
        if holds[condition]:
            names.append(policy["PolicyName"])
    assert role_policies(role, parameters) == tuple(names)


def test_the_deployer_looks_for_every_resource(template: dict[str, Any]) -> None:
    assert {each["Type"] for each in template["Resources"].values()} == set(losses._PROBES)


def test_the_schedule_runs_the_deadlock_fix_function_every_minute(template: dict[str, Any]) -> None:
    properties = template["Resources"]["DeadlockFixSchedule"]["Properties"]
    assert properties["ScheduleExpression"] == "rate(1 minute)"
    assert properties["State"] == {"Fn::If": ["WritesNothing", "DISABLED", "ENABLED"]}


def test_the_functions_get_every_setting_and_no_other(template: dict[str, Any]) -> None:
    query, deadlock_fix = (
        set(template["Resources"][function]["Properties"]["Environment"]["Variables"])
        for function in ("QueryFunction", "DeadlockFixFunction")
    )
    assert deadlock_fix == {
        "SLDB_STACK",
        "SLDB_URL_SUFFIX",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "SLDB_STORE",
        "SLDB_BUCKET_MADE",
        "SLDB_LOCK",
        "SLDB_LOCK_MAX_AGE_SECONDS",
        "SLDB_VPC_ID",
        "SLDB_RETENTION_DAYS",
        "SLDB_LOG_LEVEL",
        "SLDB_METRICS",
        "SLDB_MOUNT_TARGETS",
    }
    assert query == deadlock_fix | {
        *("SLDB_CACHE_BYTES", "SLDB_LOCK_TAGS", "SLDB_CORS_ORIGINS", "SLDB_READ_ONLY"),
        *("SLDB_MOVING_TO", "SLDB_QUEUE_TRIES", "SLDB_QUEUE_RETENTION_DAYS", "SLDB_INSIGHTS", "SLDB_TRACING"),
    }


def test_maintenance_gets_the_time_and_the_memory_for_large_databases(template: dict[str, Any]) -> None:
    properties = template["Resources"]["DeadlockFixFunction"]["Properties"]
    assert properties["Timeout"] == 900
    assert properties["MemorySize"] == {"Ref": "DeadlockFixMemorySize"}
    assert template["Parameters"]["DeadlockFixMemorySize"]["Default"] == 1024


def test_the_deployer_passes_every_parameter_with_the_same_defaults(template: dict[str, Any]) -> None:
    parameters = template["Parameters"]
    ours = resolve("test-db", Choices(), {}, {})
    assert set(parameters) - set(ours) == {
        *("BundleBucket", "BundleKey", "ExistingBucket", "BucketMade"),
        *("LockTags", "KeepLockVpc", "KeyApiLogs", "ExistingFileSystem", "FormerKmsKeys", "Release"),
    }
    assert set(ours) <= set(parameters)
    assert {name: str(parameters[name]["Default"]) for name in ours} == ours
    assert set(DEFAULTS) <= set(parameters)
    assert parameters["FunctionName"]["Default"] == default_function("test-db")


def test_the_allowed_values_are_those_of_the_deployer(template: dict[str, Any]) -> None:
    parameters = template["Parameters"]
    assert tuple(parameters["Runtime"]["AllowedValues"]) == RUNTIMES
    assert tuple(parameters["Architecture"]["AllowedValues"]) == ARCHITECTURES
    assert tuple(parameters["LockKind"]["AllowedValues"]) == LOCK_KINDS
    assert tuple(parameters["LogLevel"]["AllowedValues"]) == LOG_LEVELS


@pytest.mark.parametrize("role", ["QueryRole", "DeadlockFixRole", "ReadRole", "AuthorizerRole"])
def test_a_key_is_used_through_a_service_for_what_it_encrypts_and_for_nothing_else(
    template: dict[str, Any], role: str
) -> None:
    of_keys = [each for each in statements(template, role) if "kms:" in str(each["Action"])]
    assert [each["Sid"] for each in of_keys][:1] == ["UseForTheBucket"]
    for each in of_keys:
        assert each["Resource"] in ({"Ref": "KmsKey"}, {"Fn::Split": [",", {"Ref": "FormerKmsKeys"}]})
        conditions = each["Condition"]["StringEquals"]
        assert any(key.startswith("kms:EncryptionContext:") for key in conditions)
        assert conditions["kms:ViaService"]["Fn::Sub"].endswith(".${AWS::Region}.${AWS::URLSuffix}")
