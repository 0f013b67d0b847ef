"""The checks of what watches a stack: its alarms, and the topic that they tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sldb.deploy.checks.check import Problems, ResourceCheck


def _alarm(it: ResourceCheck) -> Problems:
    subject, client = f"the alarm {it.name}", it.account.cloudwatch
    found = it.describe(subject, lambda: client.describe_alarms(AlarmNames=[it.name]))
    if not found["MetricAlarms"]:
        yield f"{subject} is gone"


def _topic(it: ResourceCheck) -> Problems:
    subject = f"the topic of alarms {it.name.rpartition(':')[2]}"
    if it.describe(subject, lambda: it.account.topics.get_topic_attributes(TopicArn=it.name)) is None:
        yield f"{subject} is gone"


def _topic_policy(it: ResourceCheck) -> Problems:
    """Look at the topic: a policy has no name of its own."""
    topic = it.names.get("AlarmTopicOfStack", "")
    subject, client = "the right of alarms to tell their topic", it.account.topics
    found = it.describe(subject, lambda: client.get_topic_attributes(TopicArn=topic))
    if found is not None and "cloudwatch.amazonaws.com" not in found["Attributes"].get("Policy", ""):
        yield f"{subject} is gone"


def _subscription(it: ResourceCheck) -> Problems:
    """Look for the mail among the topic's: its own name is unknown until it is confirmed."""
    topic, mail = it.names.get("AlarmTopicOfStack", ""), it.parameters.get("AlarmMail", "")
    subject, client = f"the subscription of {mail} to alarms", it.account.topics
    found = it.describe(subject, lambda: client.list_subscriptions_by_topic(TopicArn=topic))
    if found is not None and mail not in [each["Endpoint"] for each in found["Subscriptions"]]:
        yield f"{subject} is gone"


def _key(it: ResourceCheck) -> Problems:
    subject = f"the key of the topic of alarms, {it.name},"
    found = it.describe(subject, lambda: it.account.keys.describe_key(KeyId=it.name))
    if found is None or found["KeyMetadata"]["KeyState"] != "Enabled":
        yield f"{subject} is gone, or switched off"


def _dashboard(it: ResourceCheck) -> Problems:
    subject = f"the dashboard {it.name}"
    if it.describe(subject, lambda: it.account.cloudwatch.get_dashboard(DashboardName=it.name)) is None:
        yield f"{subject} is gone"


OPERATION_CHECKS: Mapping[str, Callable[[ResourceCheck], Problems]] = {
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SNS::Subscription": _subscription,
    "AWS::KMS::Key": _key,
}
