from __future__ import annotations

import io

import pytest

from sldb.aws.errors import OperationFailed
from sldb.deploy.display import Display, details, sign
from sldb.deploy.plan import BundleStep, Kind, Plan, refuse_data_loss, refuse_unconfirmed
from sldb.stack.resource_change import Change

STEP = BundleStep("test-db-bundles-1-r", "abc.zip", 1_000_000, makes_bucket=True, uploads=True)


def plan(*changes: Change, kind: Kind = Kind.UPDATE) -> Plan:
    return Plan(kind, "test-db", "123456789012", "eu-west-1", STEP, changes)


def test_a_change_is_read_from_what_cloudformation_says() -> None:
    change = Change.decode(
        {
            "Action": "Modify",
            "LogicalResourceId": "QueryFunction",
            "PhysicalResourceId": "test-db-function",
            "ResourceType": "AWS::Lambda::Function",
            "Replacement": "False",
            "Scope": ["Properties", "Tags"],
            "Details": [
                {"Target": {"Attribute": "Properties", "Name": "Timeout", "RequiresRecreation": "Never"}},
                {"Target": {"Attribute": "Properties", "Name": "Code", "RequiresRecreation": "Never"}},
                {"Target": {"Attribute": "Properties", "Name": "Code", "RequiresRecreation": "Never"}},
                {"Target": {"Attribute": "Tags", "RequiresRecreation": "Never"}},
            ],
        }
    )
    assert change == Change("Modify", "QueryFunction", "AWS::Lambda::Function", "False", ("Code", "Tags", "Timeout"))
    assert not change.replaces
    assert not change.grants


@pytest.mark.parametrize(
    "change",
    [
        Change("Remove", "DataBucket", "AWS::S3::Bucket"),
        Change("Modify", "DataBucket", "AWS::S3::Bucket", "True", ("BucketName",)),
        Change("Modify", "DataBucket", "AWS::S3::Bucket", "Conditional", ("BucketName",)),
    ],
)
def test_the_bucket_with_the_data_stays(change: Change) -> None:
    with pytest.raises(OperationFailed, match="DataBucket") as caught:
        refuse_data_loss([Change("Add", "X", "AWS::EC2::VPC"), change])
    assert caught.value.exit_code == 1
    assert caught.value.details["applied"] == "no"


@pytest.mark.parametrize(
    "change",
    [
        Change("Add", "DataBucket", "AWS::S3::Bucket"),
        Change("Modify", "DataBucket", "AWS::S3::Bucket", "False", ("Tags",)),
        Change("Modify", "QueryFunction", "AWS::Lambda::Function", "True", ("FunctionName",)),
    ],
)
def test_everything_else_may_change(change: Change) -> None:
    refuse_data_loss([change])


def test_unasked_nothing_is_removed_or_replaced() -> None:
    refuse_unconfirmed(plan(Change("Modify", "QueryFunction", "AWS::Lambda::Function", "False")))
    with pytest.raises(OperationFailed, match="LockVpc, QueryFunction") as caught:
        refuse_unconfirmed(
            plan(
                Change("Remove", "LockVpc", "AWS::EC2::VPC"),
                Change("Modify", "QueryFunction", "AWS::Lambda::Function", "Conditional"),
                Change("Add", "DataBucket", "AWS::S3::Bucket"),
            )
        )
    assert "--yes" in caught.value.hint


@pytest.mark.parametrize(
    "type_", ["AWS::IAM::Role", "AWS::IAM::Policy", "AWS::Lambda::Permission", "AWS::S3::BucketPolicy"]
)
def test_permissions_are_told_apart(type_: str) -> None:
    assert Change("Add", "X", type_).grants


def test_signs_say_what_happens() -> None:
    assert sign(Change("Add", "X", "T")) == "+"
    assert sign(Change("Modify", "X", "T", "False")) == "~"
    assert sign(Change("Remove", "X", "T")) == "-"
    replaced = Change("Modify", "X", "T", "Conditional", ("Name",))
    assert sign(replaced) == "±"
    assert details(replaced) == "may be REPLACED Name"


def test_off_a_terminal_the_plan_is_plain_lines_with_permissions_last() -> None:
    out = io.StringIO()
    Display(out).plan(
        plan(
            Change("Add", "QueryRole", "AWS::IAM::Role"),
            Change("Modify", "QueryFunction", "AWS::Lambda::Function", "False", ("Code",)),
        )
    )
    lines = out.getvalue().splitlines()
    assert lines[1] == "This will update the stack test-db in eu-west-1, account 123456789012:"
    assert [line.split()[:2] for line in lines[2:]] == [
        ["+", "test-db-bundles-1-r"],
        ["+", "abc.zip"],
        ["~", "QueryFunction"],
        ["+", "QueryRole"],
    ]
    assert "\x1b" not in out.getvalue()


def test_names_are_text_and_never_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    out = Terminal()
    Display(out).plan(plan(Change("Modify", "[/foo]", "[red]T[/red]", "True", ("[b]",))))
    assert "[/foo]" in out.getvalue()
    assert "[red]T[/red]" in out.getvalue()
    assert "REPLACED [b]" in out.getvalue()


def test_parts_of_an_api_that_stays_come_and_go_without_a_question() -> None:
    old = Change("Remove", "KeyDeployment0", "AWS::ApiGateway::Deployment")
    preflight = Change("Remove", "KeyRootOptions", "AWS::ApiGateway::Method")
    assert plan(old, preflight).destructive == ()
    api = Change("Remove", "KeyApi", "AWS::ApiGateway::RestApi")
    assert plan(old, api).destructive == (old, api)
    route = Change("Remove", "TokenPostRoute", "AWS::ApiGatewayV2::Route")
    assert plan(route).destructive == (route,)
