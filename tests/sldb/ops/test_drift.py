"""`sldb status --drift` and `sldb deploy --repair`, against the emulated AWS."""

from __future__ import annotations

import io
import json

from sldb.ops.drift import Difference, Drifted, DriftReport, show_drift
from tests.sldb.commands import DATA_BUCKET, Commands


def test_changes_by_hand_are_listed_and_repaired(sldb: Commands) -> None:
    sldb.ok("deploy", "--lock", "s3")
    quiet = sldb.ok("status", "--drift")
    assert "no changes by hand in" in quiet.out
    sldb.client("lambda").update_function_configuration(FunctionName="test-db-function", MemorySize=512)
    sldb.client("logs").put_retention_policy(logGroupName="/aws/lambda/test-db-function", retentionInDays=1)
    sldb.client("events").disable_rule(Name=sldb.client("events").list_rules()["Rules"][0]["Name"])
    sldb.client("s3").delete_public_access_block(Bucket=DATA_BUCKET)
    iam = sldb.client("iam")
    (role,) = (each["RoleName"] for each in iam.list_roles()["Roles"] if "QueryRole" in each["RoleName"])
    document = iam.get_role_policy(RoleName=role, PolicyName="logs")["PolicyDocument"]
    document["Statement"][0]["Resource"] = "*"
    iam.put_role_policy(RoleName=role, PolicyName="logs", PolicyDocument=json.dumps(document))
    ran = sldb("status", "--drift")
    assert ran.status == 1
    lines = [line.split()[:4] for line in ran.out.splitlines() if line.startswith("QueryFunction")]
    assert lines == [["QueryFunction", "/MemorySize", "1024", "512"]]
    assert "sldb deploy --repair" in ran.err
    found = json.loads(sldb("status", "--drift", "--format", "json").out)
    assert {each["resource"] for each in found["resources"]} == {
        *("QueryFunction", "QueryLogGroup", "DeadlockFixSchedule", "DataBucket", "QueryRole")
    }
    sldb.ok("deploy", "--repair", "--yes")
    assert sldb("status", "--drift").status == 0
    assert sldb.client("lambda").get_function_configuration(FunctionName="test-db-function")["MemorySize"] == 1024


def test_a_resource_that_is_gone_and_what_cannot_be_checked(sldb: Commands) -> None:
    sldb.ok("deploy", "--lock", "s3")
    sldb.client("lambda").delete_function(FunctionName="test-db-function")
    ran = sldb("status", "--drift")
    assert (ran.status, "test-db-function is gone" in ran.out) == (1, True)
    sldb.ok("deploy", "--yes")
    assert sldb("status", "--drift").status == 0


def test_long_values_are_shown_where_they_differ() -> None:
    policy = {"Version": "1", "Statement": {"Action": "s3:GetObject", "Resource": "x" * 100}}
    other = {**policy, "Statement": {**policy["Statement"], "Action": "*"}}  # type: ignore[dict-item]  # a dict
    difference = Difference("/Policies", json.dumps(policy), json.dumps(other))
    out = io.StringIO()
    show_drift(DriftReport((Drifted("Role", "AWS::IAM::Role", "r", "MODIFIED", (difference,)),), 1, ()), out)
    row = out.getvalue().splitlines()[1]
    assert row.split("  ")[-2:] == ['{"Action": "s3:GetObject"}', '{"Action": "*"}']
