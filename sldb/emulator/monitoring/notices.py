"""The messages of alarms to topics of SNS when their states change, if the topics take them.

CloudWatch publishes as the service `cloudwatch.amazonaws.com`, which the topic's policy must allow. To an encrypted
topic it also needs the key: the policy of the account's own `alias/aws/sns` does not allow it, and cannot be changed.
Source: "Why didn't I receive an SNS notification for my CloudWatch alarm trigger?", AWS knowledge center.

moto's queues are not those of the emulator: `deliver` takes a message to a queue. A mail goes nowhere; moto's topic
remembers what was sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from moto.sns.exceptions import SNSNotFoundError

from sldb.emulator.access import policy
from sldb.emulator.access.policy import Request
from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.moto_app import Moto

CALLER = ["cloudwatch.amazonaws.com"]
_KEY_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")


class Notices:
    """Used under moto's lock."""

    def __init__(self, moto: Moto, deliver: Callable[[str, str], None] | None = None) -> None:
        """`deliver`: called with the ARN of a queue and a message."""
        self._moto = moto
        self._deliver = deliver

    def send(self, topic_arn: str, alarm: Any, region: str) -> str | None:
        """Publish the state of moto's alarm. Return why that is refused, None if it is not."""
        sns = self._moto.backend("sns", region)
        try:
            topic = sns.get_topic(topic_arn)
        except SNSNotFoundError:
            return f"the topic {topic_arn} does not exist"
        context = {"aws:sourceaccount": (ACCOUNT,), "aws:sourcearn": (alarm.alarm_arn,)}
        if policy.decide([json.loads(topic.policy)], Request("sns:Publish", topic_arn, context), CALLER) != "allow":
            return f"{CALLER[0]} is not authorized to perform: SNS:Publish on resource: {topic_arn}"
        if refused := self._key_refusal(topic.kms_master_key_id, context, region):
            return refused
        subject = f'{alarm.state_value}: "{alarm.name}" in {region}'
        message = json.dumps(_message(alarm, region))
        topic.sent_notifications.append(("", message, subject, None, None))
        for subscription in sns.list_subscriptions_by_topic(topic_arn=topic_arn)[0]:
            if subscription.protocol == "sqs" and self._deliver is not None:
                self._deliver(subscription.endpoint, _envelope(topic_arn, subject, message))
        return None

    def _key_refusal(self, key: str | None, context: Mapping[str, tuple[str, ...]], region: str) -> str | None:
        """Return why the topic's key refuses CloudWatch; None if it does not, or if there is none."""
        if not key:
            return None
        refused = "CloudWatch Alarms does not have authorization to access the SNS topic encryption key."
        if key.endswith("alias/aws/sns"):
            return refused
        kms = self._moto.backend("kms", region)
        found = kms.keys.get(kms.any_id_to_key_id(key))
        documents = [json.loads(found.policy)] if found is not None and found.enabled else []
        asked = [Request(action, found.arn, context) for action in _KEY_ACTIONS] if found is not None else []
        is_allowed = asked and all(policy.decide(documents, each, CALLER) == "allow" for each in asked)
        return None if is_allowed else refused


def _message(alarm: Any, region: str) -> dict[str, Any]:
    """Return the message of an alarm; the fields as users have reported them."""
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": ACCOUNT,
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": alarm.state_updated_timestamp.isoformat() + "Z",
        "Region": region,
        "AlarmArn": alarm.alarm_arn,
        "Trigger": {"MetricName": alarm.metric_name, "Namespace": alarm.namespace},
    }


def _envelope(topic_arn: str, subject: str, message: str) -> str:
    sent = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    fields = {"Type": "Notification", "TopicArn": topic_arn, "Subject": subject, "Message": message, "Timestamp": sent}
    return json.dumps(fields)
