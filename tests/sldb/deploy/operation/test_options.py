"""The options for alarms and metrics, and their notes in the plan."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.settings import METRICS as SETTINGS
from lambda_handlers.wire import SldbError
from sldb import price
from sldb.deploy.operation.notes import METRICS, count_alarms, operation_notes
from sldb.deploy.operation.options import METRICS as KINDS
from sldb.deploy.operation.options import (
    NEAR_TIMEOUT,
    OperationChoices,
    check_operation,
    check_topic_region,
    has_metrics,
    release_of,
)
from sldb.deploy.parameters import Choices, resolve
from sldb.deploy.template import template_path
from sldb.emulator.cloudformation.template import load
from tests.lambda_handlers.test_metrics import UNITS

VISIBLE, AGE = "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"  # of a queue of SQS
TOPIC = "arn:aws:sns:us-east-1:123456789012:ops"


def resolved(previous: dict[str, str] | None = None, timeout: int | None = None, **choices: Any) -> dict[str, str]:
    lock_max_age = None if timeout is None else timeout + 30
    wanted = Choices(timeout=timeout, lock_max_age=lock_max_age, operation=OperationChoices(**choices))
    return resolve("test-db", wanted, {}, previous or {})


def test_a_mail_or_a_topic_takes_the_place_of_the_other_and_none_of_both() -> None:
    mail = resolved(alarms="ops@example.com")
    assert (mail["AlarmMail"], mail["AlarmTopic"]) == ("ops@example.com", "")
    topic = resolved(mail, alarms=TOPIC)
    assert (topic["AlarmMail"], topic["AlarmTopic"]) == ("", TOPIC)
    assert resolved(topic)["AlarmTopic"] == TOPIC
    assert not has_metrics(resolved(topic, alarms="NONE"))


@pytest.mark.parametrize("alarms", ["ops", "a b@example.com", "arn:aws:sqs:us-east-1:123456789012:q", TOPIC + ".fifo"])
def test_what_is_neither_is_refused(alarms: str) -> None:
    with pytest.raises(SldbError, match="--alarms: got"):
        resolved(alarms=alarms)


def test_a_topic_is_in_the_region_of_its_alarms() -> None:
    check_topic_region(resolved(alarms=TOPIC), "us-east-1")
    check_topic_region(resolved(alarms="ops@example.com"), "eu-west-1")
    with pytest.raises(SldbError, match="want a topic in eu-west-1"):
        check_topic_region(resolved(alarms=TOPIC), "eu-west-1")


def test_metrics_come_with_alarms_or_by_themselves() -> None:
    assert not has_metrics(resolved())
    assert has_metrics(resolved(alarms=TOPIC))
    assert has_metrics(resolved(metrics="stack"))
    with pytest.raises(SldbError, match="--metrics"):
        resolved(metrics="true")


def test_a_duration_is_near_the_time_limit_whatever_that_is() -> None:
    assert resolved()["AlarmDurationMs"] == "54000"
    assert resolved(timeout=900)["AlarmDurationMs"] == str(int(900_000 * NEAR_TIMEOUT))


def test_the_plan_says_what_follows_and_what_it_costs() -> None:
    before = resolved()
    assert list(operation_notes(before, before, (0, 0))) == []
    notes = list(operation_notes(before, resolved(alarms="ops@example.com", metrics="databases"), (0, 13)))
    assert notes == [
        "alarms: 13, to ops@example.com; about $2.30 a month",
        "AWS sends a mail to ops@example.com: alarms reach it only after the link in that mail was followed",
        "metrics: up to 21 custom metrics, $6.30 a month if there is traffic at all hours",
        "metrics of each database: up to 13 custom metrics, $3.90 a month each",
    ]
    after = resolved(alarms="ops@example.com")
    assert list(operation_notes(after, after, (13, 15))) == [notes[0].replace("13", "15").replace("2.30", "2.50")]
    assert next(operation_notes(after, resolved(after, alarms=TOPIC), (13, 13))).endswith("about $1.30 a month")
    assert pytest.approx(6.3) == price.METRIC_MONTH * METRICS


def test_the_plan_says_nothing_of_what_stays_as_it_is() -> None:
    more = {"metrics": "databases", "dashboard": True, "tracing": True, "reserved_concurrency": "7"}
    for everything in (resolved(alarms=TOPIC, **more), resolved(alarms="ops@example.com", **more)):
        assert list(operation_notes(everything, everything, (13, 13))) == []


def test_the_numbers_are_those_of_the_template_and_of_the_functions() -> None:
    text = template_path().read_text("utf-8")
    alarms = [each for each in load(text).resources.values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    everything = {"AlarmTopic": TOPIC, "Readers": "true", "ApiToken": "true", "Queue": "fifo"}
    assert count_alarms(everything, text) == len(alarms)
    assert count_alarms({"AlarmTopic": TOPIC}, text) == len(alarms) - 4
    assert count_alarms({}, text) == 0
    assert len(UNITS) == METRICS
    assert set(KINDS) - {"auto"} == {"stack", "databases"}
    assert SETTINGS == ("false", "true", "databases")


def test_an_earlier_template_has_its_own_number_of_alarms() -> None:
    """A roll-back has those of the version that it goes to."""
    text = template_path().read_text("utf-8")
    first = "Type: AWS::CloudWatch::Alarm\n"
    assert count_alarms({"AlarmTopic": TOPIC}, text.replace(first, "Type: AWS::SNS::Topic\n", 1)) == 12


def test_an_alarm_tells_one_topic_in_both_directions_and_of_no_data_only_where_it_means_trouble() -> None:
    resources = load(template_path().read_text("utf-8")).resources
    told = [{"Fn::If": ["HasAlarmMail", {"Ref": "AlarmTopicOfStack"}, {"Ref": "AlarmTopic"}]}]
    for name, each in resources.items():
        if each["Type"] == "AWS::CloudWatch::Alarm":
            properties = each["Properties"]
            assert properties["AlarmActions"] == properties["OKActions"] == told
            wanted = "breaching" if name == "MaintenanceLateAlarm" else "notBreaching"
            assert properties["TreatMissingData"] == wanted
            assert properties["Namespace"] in ("sldb", "AWS/Lambda", "AWS/SQS")
            assert properties["Namespace"] != "sldb" or properties["MetricName"] in UNITS


def test_the_dashboard_comes_with_metrics_and_says_its_price() -> None:
    before = resolved()
    after = resolved(dashboard=True)
    assert has_metrics(after)
    assert next(operation_notes(before, after, (0, 0))) == (
        "the dashboard is free as one of the first three of the account, $3.00 a month as a further one"
    )
    assert resolved(after)["Dashboard"] == "true"
    assert not has_metrics(resolved(after, dashboard=False))


@pytest.mark.parametrize("has_queue", [False, True])
def test_the_dashboard_shows_metrics_that_exist_in_the_region_of_the_stack(has_queue: bool) -> None:
    """Its structure is that of "Dashboard body structure and syntax" in CloudWatch's API reference."""
    properties = load(template_path().read_text("utf-8")).resources["OperationsDashboard"]["Properties"]
    text, more = properties["DashboardBody"]["Fn::Sub"]
    condition, with_queue, without = more["OfQueue"]["Fn::If"]
    assert condition == "HasQueue"
    body = json.loads(text.replace("${OfQueue}", with_queue["Fn::Sub"][0] if has_queue else without))
    places, shown = set(), []
    for widget in body["widgets"]:
        assert widget["type"] == "metric"
        assert 0 <= widget["x"] <= 24 - widget["width"]
        places.add((widget["x"], widget["y"]))
        assert widget["properties"]["region"] == "${AWS::Region}"
        shown += widget["properties"]["metrics"]
    assert len(places) == len(body["widgets"])
    assert len(shown) <= 50  # of a dashboard that is free
    for namespace, name, dimension, value, _ in shown:
        if namespace == "sldb":
            assert (name in UNITS, dimension, value) == (True, "Stack", "${AWS::StackName}")
        elif namespace == "AWS/SQS":
            assert (name, dimension) in ((VISIBLE, "QueueName"), (AGE, "QueueName"))
            assert value in ("${FailedInvocations.QueueName}", "${Waiting}", "${Dead}")
        else:
            assert (namespace, dimension) == ("AWS/Lambda", "FunctionName")
            assert value in ("${FunctionName}", "${DeadlockFixFunctionName}")
    assert sum(each[0] == "AWS/SQS" for each in shown) == (4 if has_queue else 1)


@pytest.mark.parametrize("text", ["0", "x", "10001", "-1"])
def test_reserved_concurrency_is_a_number_of_invocations(text: str) -> None:
    assert resolved(resolved(reserved_concurrency="7"), reserved_concurrency="none")["ReservedConcurrency"] == ""
    with pytest.raises(SldbError, match="--reserved-concurrency: got"):
        resolved(reserved_concurrency=text)


def test_a_queue_needs_five_reserved_invocations() -> None:
    with pytest.raises(SldbError, match="the stack has a queue"):
        check_operation({**resolved(), "Queue": "fifo", "ReservedConcurrency": "4"})
    check_operation({**resolved(), "Queue": "fifo", "ReservedConcurrency": "5"})


@pytest.mark.parametrize("text", ["0", "x", "10001", "-1", "8"])
def test_provisioned_containers_are_among_the_reserved_ones(text: str) -> None:
    given = resolved(provisioned_concurrency="7", reserved_concurrency="7")
    assert given["ProvisionedConcurrency"] == "7"
    assert resolved(given, provisioned_concurrency="none")["ProvisionedConcurrency"] == ""
    with pytest.raises(SldbError, match="--provisioned-concurrency: got"):
        resolved(given, provisioned_concurrency=text)


def test_the_plan_tells_what_provisioned_containers_cost_and_who_uses_them() -> None:
    before = {**resolved(), "FunctionName": "f"}
    on = {**before, "ProvisionedConcurrency": "2", "Architecture": "arm64", "MemorySize": "1024"}
    assert "2 containers of the query function, $17.28 a month" in next(operation_notes(before, on, (0, 0)))
    assert "lambda:f:live are refused" in next(operation_notes(on, before, (0, 0)))
    assert list(operation_notes(on, on, (0, 0))) == []


NAMES, TEXTS = st.sampled_from(["MemorySize", "LockKind", "BundleKey"]), st.sampled_from(["a", "b"])


@given(*[st.dictionaries(NAMES, TEXTS)] * 2, TEXTS, TEXTS)
def test_another_template_or_parameter_is_another_release_and_nothing_else_is(
    one: dict[str, str], other: dict[str, str], template: str, another: str
) -> None:
    first, second = ({**each, "ProvisionedConcurrency": "1", "Release": ""} for each in (one, other))

    def release(template: str, parameters: dict[str, str], previous: str = "", again: str = "") -> str:
        return release_of(template, parameters, {"Release": previous}, again)["Release"]

    made = release(template, first)
    assert (made == release(another, second)) is ((template, one) == (another, other))
    assert release(template, {**first, "Release": made}, made) == made
    assert release(template, {**first, "ProvisionedConcurrency": ""}, made) == ""
    repaired = release(template, first, made, "5f")
    assert repaired != made
    assert release(template, first, repaired) == repaired  # a later deployment has nothing to do
    assert len(repaired) <= 64
    assert release_of(template, one, {}) == {}  # a version to go back to does not know it
