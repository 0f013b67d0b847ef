"""The alarms: they exist, and one that is raised reaches a subscriber of the encrypted topic."""

from __future__ import annotations

import json
import time
from typing import Any

from live.plan import Failed, Option, Skipped, Usage
from live.stage import Stage, expect

NOBODY = "nobody@example.com"  # a domain without mail: https://www.rfc-editor.org/rfc/rfc2606
SECONDS = 120.0  # for a message
KEY_MONTH, ALARM_MONTH, ALARMS = 1.00, 0.10, 13  # dollars; https://aws.amazon.com/kms/pricing/, …/cloudwatch/pricing/
RESERVED = 2  # invocations at a time
ARGUMENTS = (
    *("--no-readers", "--no-insights", "--alarms", NOBODY, "--dashboard"),
    *("--reserved-concurrency", str(RESERVED)),
)


def _use(stage: Stage) -> None:
    found = stage.account.session.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{stage.name}-")
    names = {alarm["AlarmName"] for alarm in found["MetricAlarms"]}
    expect(f"{stage.name}-errors" in names, f"the stack has alarms: {names}")


def _message(stage: Stage) -> str:
    """Raise an alarm by hand, and receive its message in a queue."""
    client = stage.account.session.client
    sqs, sns, cloudwatch = client("sqs"), client("sns"), client("cloudwatch")
    alarm = f"{stage.name}-errors"
    (topic,) = cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]["AlarmActions"]
    queue = sqs.create_queue(QueueName=f"{stage.name}-live")["QueueUrl"]
    try:
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": _policy(arn, topic)})
        subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="live check")
        _wait(stage, sqs, queue, alarm)
        sns.unsubscribe(SubscriptionArn=subscription)
    finally:
        sqs.delete_queue(QueueUrl=queue)
    return "an alarm raised by hand reached a queue through the encrypted topic"


def _wait(stage: Stage, sqs: Any, queue: str, alarm: str) -> None:
    """Wait for the message. Raises Failed."""
    until = time.monotonic() + (1.0 if stage.is_emulated else SECONDS)
    while time.monotonic() < until:
        received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=0 if stage.is_emulated else 10)
        if any(alarm in message["Body"] for message in received.get("Messages", ())):
            return
        time.sleep(0.2)
    if stage.is_emulated:
        raise Skipped("no message of an alarm that was raised by hand arrives here")
    raise Failed(f"no message of the alarm {alarm} has arrived within {SECONDS:.0f} s")


def _policy(queue: str, topic: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


OPTION = Option(
    "alarms",
    "alarms, a topic with a key; one message to an address that does not exist",
    ARGUMENTS,
    _use,
    {"alarm-topic": _message},
    Usage(dollars_a_month=KEY_MONTH + ALARMS * ALARM_MONTH),
)
