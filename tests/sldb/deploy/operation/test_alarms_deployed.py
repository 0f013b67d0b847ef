"""The alarms of a stack on the emulated AWS: made, changed and removed by `sldb deploy`, and seen by the others."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from typing import Any

import pytest

from sldb.doctor.operation import states
from sldb.ops.alarms import NAMES, AlarmInfo
from tests.sldb.commands import Commands
from tests.sldb.conftest import sldb as deployed_by_test
from tests.sldb.emulator.monitoring.test_alarms import CAUSES

sldb = deployed_by_test

TOPIC = "arn:aws:sns:us-east-1:123456789012:ops"


def doctor(sldb: Commands) -> dict[str, list[str]]:
    rows = json.loads(sldb("doctor", "--format", "json").out)
    return {check: [row["says"] for row in rows if row["check"] == check] for check in ("alarms", "resources")}


def alarms(sldb: Commands) -> dict[str, str]:
    found = json.loads(sldb.ok("status", "--format", "json").out)["alarms"]
    return {each["name"]: each["state"] for each in found}


def functions(sldb: Commands) -> dict[str, Any]:
    found: dict[str, Any] = sldb.client("lambda").get_function_configuration(FunctionName="test-db-function")
    return found


@pytest.mark.long
def test_the_life_of_a_stacks_alarms(sldb: Commands) -> None:
    sldb.aws.alarms.close()  # its time is moved here
    sldb.fail("GetTopicAttributes", "AuthorizationError", "not authorized to perform SNS:GetTopicAttributes")
    assert "the topic of alarms was not looked for" in sldb.ok("deploy", "--alarms", TOPIC, "--plan").err
    ran = sldb.ok("deploy", "--alarms", "ops@example.com")
    assert "alarms: 13, to ops@example.com; about $2.30 a month" in ran.err
    assert "AWS sends a mail to ops@example.com" in ran.err
    assert functions(sldb)["Environment"]["Variables"]["SLDB_METRICS"] == "true"
    assert sldb.outputs()["AlarmTopicArn"].endswith(":test-db-alarms")
    assert set(alarms(sldb)) == set(NAMES) - {"read-errors", "authorizer-errors", "dead-letters", "queue-late"}
    assert set(alarms(sldb).values()) == {"INSUFFICIENT_DATA"}

    sldb.aws.alarms._metrics.invoked("us-east-1", "test-db-function", 1.0, failed=True)
    sldb.aws.alarms.tick(time.time() + 60)
    assert "RAISED: errors (for" in sldb.ok("status").out
    sldb.client("cloudwatch").delete_alarms(AlarmNames=["test-db-memory"])
    found = doctor(sldb)
    assert found["alarms"] == ["raised: errors", "their topic has subscribers"]  # and not yet maintenance-late
    assert "the alarm test-db-memory is gone" in found["resources"]
    assert "\nalarms,13," in sldb.ok("cost", "--format", "csv").out

    ran = sldb("deploy", "--alarms", TOPIC, "--plan")
    assert (ran.status, f"there is no topic {TOPIC}" in ran.err) == (2, True), ran.err
    sldb.client("sns").create_topic(Name="ops")
    more = ("--metrics", "databases", "--dashboard", "--reserved-concurrency", "7", "--yes")
    ran = sldb.ok("deploy", "--alarms", TOPIC, *more)
    assert "reserved for the query function: 7 invocations at a time" in ran.err
    reserved = sldb.client("lambda").get_function_concurrency(FunctionName="test-db-function")
    assert reserved["ReservedConcurrentExecutions"] == 7
    assert json.loads(sldb.client("cloudwatch").get_dashboard(DashboardName="test-db")["DashboardBody"])["widgets"]
    assert "us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#dashboards" in sldb.ok("status").out
    assert "metrics of each database" in ran.err
    assert sldb.outputs()["AlarmTopicArn"] == TOPIC
    assert "memory" in alarms(sldb)  # made again
    assert [each["TopicArn"] for each in sldb.client("sns").list_topics()["Topics"]] == [TOPIC]

    less = ("--metrics", "auto", "--no-dashboard", "--reserved-concurrency", "none", "--yes")
    sldb.ok("deploy", "--alarms", "none", *less)
    assert sldb.client("cloudwatch").list_dashboards()["DashboardEntries"] == []
    reserved = sldb.client("lambda").get_function_concurrency(FunctionName="test-db-function")
    assert "ReservedConcurrentExecutions" not in reserved
    assert alarms(sldb) == {}
    assert sldb.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert "SLDB_METRICS" not in functions(sldb)["Environment"]["Variables"]


@pytest.mark.parametrize(
    ("name", "raised_at", "now", "state"),
    [
        ("maintenance-late", 1060, 1100, "warn"),
        ("maintenance-late", 1060, 2900, "fail"),  # there was time
        ("maintenance-late", 900, 1100, "fail"),  # it had been raised before the last change
        ("errors", 1060, 1100, "fail"),
    ],
)
def test_maintenance_is_not_late_in_the_first_minutes(name: str, raised_at: int, now: int, state: str) -> None:
    since = datetime.fromtimestamp(raised_at, timezone.utc).isoformat()
    alarms = (AlarmInfo(name, "ALARM", since), AlarmInfo("memory", "OK", since))
    assert states(alarms, changed_at=1000.0, now=float(now)).state == state


def test_the_names_of_the_alarms_are_those_of_the_template() -> None:
    assert set(NAMES) == set(CAUSES)
