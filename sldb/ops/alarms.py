"""The alarms of a stack: their states, and whether their messages arrive. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors
from sldb.deploy.operation.options import has_alarms

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.state import StackState

OK, ALARM, NO_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
TOPIC_OUTPUT = "AlarmTopicArn"
# The names of all alarms, after that of the stack; a test compares them with the template.
NAMES = (
    *("errors", "read-errors", "authorizer-errors", "server-errors", "throttles", "duration", "memory"),
    *("lock-wait", "stale-locks", "log-growing"),
    *("maintenance-errors", "maintenance-failed", "maintenance-late", "maintenance-memory"),
    *("failed-invocations", "dead-letters", "queue-late"),
)
_CONSOLES = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}  # by region
_CONSOLE = "console.aws.amazon.com"
_PENDING = "PendingConfirmation"
_CLOUDWATCH = "cloudwatch.amazonaws.com"
_OWN_KEY = "alias/aws/sns"
_OWN_POLICY = "__default_policy_ID"  # of the policy of a topic that was given none


@dataclass(frozen=True, slots=True)
class AlarmInfo:
    name: str  # without that of the stack
    state: str  # OK, ALARM or INSUFFICIENT_DATA
    since: str  # ISO 8601
    reason: str = ""


def read_alarms(account: Account, stack: str, state: StackState) -> tuple[AlarmInfo, ...] | None:
    """Return the alarms of a stack; None if they cannot be read."""
    if not has_alarms(state.parameters):
        return ()
    try:
        with aws_errors("read the states of the alarms"):
            names = [f"{stack}-{name}" for name in NAMES]
            found = account.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
    except SldbError:
        return None
    return tuple(
        AlarmInfo(
            each["AlarmName"].removeprefix(f"{stack}-"),
            each["StateValue"],
            each["StateUpdatedTimestamp"].isoformat(),
            each.get("StateReason", ""),
        )
        for each in found
    )


def dashboard_url(state: StackState, region: str) -> str:
    """Return the address of the stack's dashboard in AWS's console; empty if there is none."""
    name = state.outputs.get("DashboardName", "")
    host = next((host for prefix, host in _CONSOLES.items() if region.startswith(prefix)), _CONSOLE)
    path = f"cloudwatch/home?region={region}#dashboards/dashboard/{name}"
    return f"https://{region}.{host}/{path}" if name else ""


def topic_problem(account: Account, state: StackState) -> SldbError | None:
    """Return the reason why messages of alarms do not arrive, if it can be seen. Raises SldbError."""
    topic, mail = state.outputs.get(TOPIC_OUTPUT, ""), state.parameters.get("AlarmMail", "")
    client = account.topics
    with aws_errors(f"read the topic of alarms {topic}"):
        try:
            attributes = client.get_topic_attributes(TopicArn=topic)["Attributes"]
        except client.exceptions.NotFoundException:
            return SldbError("store_error", f"the topic {topic} is gone", "sldb deploy, with --alarms for another one")
        subscriptions = client.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    if not subscriptions:
        return SldbError("store_error", f"{topic} has no subscriptions", "sldb deploy --alarms MAIL")
    if mail and all(each["SubscriptionArn"] == _PENDING for each in subscriptions if each["Endpoint"] == mail):
        hint = "follow the link in AWS's mail; a new one comes after --alarms none and --alarms MAIL (three days)"
        return SldbError("store_error", f"{mail} has not confirmed its subscription", hint)
    policy = attributes.get("Policy", "")
    if _CLOUDWATCH not in policy and _OWN_POLICY not in policy:
        hint = f"let {_CLOUDWATCH} publish to it (sns:Publish), with aws:SourceAccount as condition"
        return SldbError("store_error", f"the policy of {topic} does not name CloudWatch", hint)
    if attributes.get("KmsMasterKeyId", "").endswith(_OWN_KEY):
        hint = "choose a key of your own whose policy lets CloudWatch use it, or no encryption"
        return SldbError("store_error", f"CloudWatch may not use the key {_OWN_KEY} of {topic}", hint)
    return None
