"""Each alarm of the template fires when its cause is made, tells the topic, and says so when it is over.

The alarms are those of the template, made by the emulated CloudFormation; the time of the watch is moved, not waited
for. Metrics come from lines that the functions' own code writes. In `tests/sldb/deploy/operation`, deployed functions
make some of them.
"""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from lambda_handlers import metrics as function_metrics
from lambda_handlers.host import Host
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.log import Log
from lambda_handlers.metrics import Metrics
from lambda_handlers.settings import Settings
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from sldb.deploy.template import template_text
from sldb.emulator.cloudformation.template import load
from sldb.ops.alarms import topic_problem
from tests.fakes.aws.cloudformation import Stack
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store

REGION = "us-east-1"
FUNCTION = "test-db-function"  # the template's default
KINDS = (
    "AWS::CloudWatch::Alarm",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SNS::Subscription",
    "AWS::KMS::Key",
)


def operation() -> dict[str, Any]:
    """The template, as far as alarms go."""
    whole = load(template_text()).document
    kept = {name: each for name, each in whole["Resources"].items() if each["Type"] in KINDS or "SQS" in each["Type"]}
    parameters = {name: {**each, "Default": each.get("Default", "x")} for name, each in whole["Parameters"].items()}
    return {"Parameters": parameters, "Conditions": whole["Conditions"], "Resources": kept}


class World:
    """A stack's alarms, a queue that hears of them, and the log of its functions."""

    def __init__(self, aws: Any, account: Any, stack: Stack) -> None:
        self.aws = aws
        self.client = stack.client
        self.stack = stack.name
        self.settings = Settings(store="file:///unused", stack=stack.name, metrics="true", memory_bytes=1 << 30)
        self.cloudwatch = account.client("cloudwatch")
        self.sqs = account.client("sqs")
        self.queue = self.sqs.create_queue(QueueName=f"{stack.name}-hears")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        topic = f"arn:aws:sns:{REGION}:123456789012:{stack.name}-alarms"
        account.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        self.now = time.time() // 60 * 60
        self.metrics.now = lambda: self.now + 1  # whatever time a loaded machine takes

    @property
    def metrics(self) -> Any:
        return self.aws.alarms._metrics

    def after(self, minutes: float) -> None:
        """Judge the alarms so many minutes from now."""
        self.now += minutes * 60
        self.aws.alarms.tick(self.now)

    def log(self, write: Callable[[Log], None], *, minutes_ago: float = 1) -> None:
        """Let the functions write lines with a log of their own, and CloudWatch read them."""
        stream = io.StringIO()
        write(Log("error", stream, lambda: self.now - minutes_ago * 60, Metrics(self.settings)))
        self.metrics.put_lines(REGION, stream.getvalue().splitlines())

    def invoked(self, suffix: str, *, seconds: float = 1.0, failed: bool = False) -> None:
        self.metrics.invoked(REGION, FUNCTION + suffix, seconds, failed=failed)

    def queue_url(self, logical_name: str) -> str:
        """The address of a queue of the stack."""
        found = self.client.describe_stack_resource(StackName=self.stack, LogicalResourceId=logical_name)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def empty_queues(self) -> None:
        for name in ("FailedInvocations", "FifoQueue", "FifoDeadLetters"):
            self.sqs.purge_queue(QueueUrl=self.queue_url(name))

    def state(self, alarm: str) -> str:
        (found,) = self.cloudwatch.describe_alarms(AlarmNames=[f"{self.stack}-{alarm}"])["MetricAlarms"]
        return str(found["StateValue"])

    def heard(self) -> list[str]:
        """The alarms that the queue has heard of, each with its new state."""
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                said = json.loads(json.loads(message["Body"])["Message"])
                found.append(f"{said['AlarmName'].removeprefix(self.stack + '-')} {said['NewStateValue']}")
        return found


@pytest.fixture
def world(aws: Any, account: Any, wait: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # That of a process that has run other tests is more than a function has.
    monkeypatch.setattr(function_metrics, "peak_memory_bytes", lambda: 100 << 20)
    aws.alarms.close()  # its time is moved here
    stack = Stack(account, wait)
    given = {"AlarmMail": "ops@example.com", "Readers": "true", "ApiToken": "true", "Queue": "fifo", "QueueTries": "1"}
    assert stack.apply(operation(), creates=True, **given) == "CREATE_COMPLETE"
    world = World(aws, account, stack)
    log_runs(world)
    world.after(0)
    world.heard()
    yield world
    world.metrics.now = time.time
    stack.client.delete_stack(StackName=stack.name)


def log_runs(world: World) -> None:
    """The scheduled function runs as it should, for an hour from now."""
    for minutes in range(-1, 60, 10):
        world.log(lambda log: log.debug("maintained", failed=0, skipped=0, ms=5.0), minutes_ago=-minutes)


def crash(suffix: str) -> Callable[[World], None]:
    return lambda world: world.invoked(suffix, failed=True)


def throttle(world: World) -> None:
    world.metrics.throttled(REGION, FUNCTION)
    world.now += 300
    world.metrics.put(REGION, [_later(world, "Throttles", 1.0)])


def _later(world: World, name: str, value: float) -> Any:
    from sldb.emulator.monitoring.embedded import Datapoint

    return Datapoint("AWS/Lambda", name, (("FunctionName", FUNCTION),), value, world.now - 1)


def slow(world: World) -> None:
    world.metrics.put(REGION, [_later(world, "Duration", 59_000.0)])
    world.now += 300
    world.metrics.put(REGION, [_later(world, "Duration", 58_000.0)])


def fail(world: World) -> None:
    world.log(lambda log: [log.error("request", status=503, code="store_error", ms=9.0) for _ in range(5)])  # type: ignore[func-returns-value]


def wait_for_lock(world: World) -> None:
    for _ in range(2):
        world.log(lambda log: log.info("request", status=503, code="lock_timeout", ms=20_000.0))
        world.now += 300


def leave_lock(world: World) -> None:
    """A writer dies with the lock; the next one waits until it is old, and frees it."""
    store = memory_store()
    times = {"max_age_seconds": 90.0, "retry_seconds": 1.0}
    ObjectLock(store, Host(now=lambda: 1_000.0), **times).acquire("main", 1_001.0, "INSERT")
    host = Host(now=lambda: 2_000.0)
    service = container(store, ObjectLock(store, host, **times), host)

    def write(log: Log) -> None:
        service._resources.log._metrics = log._metrics  # a service makes its log by itself
        service._resources.log._stream, service._resources.log._now = log._stream, log._now
        run(service, "CREATE TABLE t (a)")

    world.log(write)
    service.close()


def break_log(world: World) -> None:
    """A transaction is missing: each pass fails."""
    store = memory_store()
    service = container(store)
    for number in range(4):
        run(service, "INSERT INTO t VALUES (1)" if number else "CREATE TABLE t (a)")
    service.close()
    store.delete(sorted(info.key for info in store.list_objects("main/0000/"))[1])
    for _ in range(3):
        world.log(lambda log: Maintenance(store, Host(), log, 30).run(float("inf")) and None)


def stop_maintenance(world: World) -> None:
    world.now += 100 * 60


def grow(world: World) -> None:
    for minutes in (20, 1):
        world.log(lambda log: log.info("maintenance", database="main", log_length=1500), minutes_ago=minutes)


def fill_memory(event: str) -> Callable[[World], None]:
    def fill(world: World) -> None:
        world.log(lambda log: log.info(event, status=200, ms=1.0))

    return fill


def give_up(world: World) -> None:
    """Lambda puts an invocation that failed three times into the queue of failed ones."""
    world.sqs.send_message(QueueUrl=world.queue_url("FailedInvocations"), MessageBody="{}")


def enqueue(world: World) -> str:
    queue = world.queue_url("FifoQueue")
    more = {"MessageGroupId": "main", "MessageDeduplicationId": uuid.uuid4().hex}
    world.sqs.send_message(QueueUrl=queue, MessageBody="{}", **more)
    return queue


def fail_on_the_last_try(world: World) -> None:
    queue = enqueue(world)
    for _ in range(2):
        world.sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)


def stop_reading(world: World) -> None:
    """No poller takes the message."""
    enqueue(world)
    world.aws.advance(1000)
    world.after(0)
    world.now += 300


CAUSES: dict[str, Callable[[World], None]] = {
    "errors": crash(""),
    "read-errors": crash("-read"),
    "authorizer-errors": crash("-authorizer"),
    "maintenance-errors": crash("-deadlock-fix"),
    "server-errors": fail,
    "throttles": throttle,
    "duration": slow,
    "memory": fill_memory("request"),
    "maintenance-memory": fill_memory("maintained"),
    "lock-wait": wait_for_lock,
    "stale-locks": leave_lock,
    "maintenance-failed": break_log,
    "maintenance-late": stop_maintenance,
    "log-growing": grow,
    "failed-invocations": give_up,
    "dead-letters": fail_on_the_last_try,
    "queue-late": stop_reading,
}


def test_every_alarm_has_its_cause_here() -> None:
    alarms = [each for each in operation()["Resources"].values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    names = {each["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-") for each in alarms}
    assert names == CAUSES.keys()


@pytest.mark.long
def test_each_alarm_fires_when_its_cause_is_made_and_ends_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {world.state(alarm) for alarm in CAUSES} == {"OK"}
    for alarm, cause in CAUSES.items():
        with monkeypatch.context() as patch:
            if alarm.endswith("memory"):
                patch.setattr(function_metrics, "peak_memory_bytes", lambda: 1000 << 20)
            cause(world)
        world.after(1)
        assert world.state(alarm) == "ALARM", alarm
        assert world.heard() == [f"{alarm} ALARM"]
        log_runs(world)
        world.empty_queues()
        world.after(32)
        assert world.state(alarm) == "OK", alarm
        assert world.heard() == [f"{alarm} OK"]
        world.now = time.time() // 60 * 60
        with world.aws._moto.lock:
            world.aws._moto.backend("cloudwatch", REGION).metric_data.clear()
        log_runs(world)
        world.after(0)


@pytest.mark.long
@pytest.mark.parametrize("key", ["alias/aws/sns", "policy"])
def test_an_alarm_cannot_speak_through_a_key_that_cloudwatch_may_not_use(
    world: World, account: Any, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The trap of SNS's own key, and of a key of one's own whose policy forgets CloudWatch."""
    if key == "policy":
        key = account.client("kms").create_key()["KeyMetadata"]["KeyId"]
    topic = f"arn:aws:sns:{REGION}:123456789012:{world.stack}-alarms"
    account.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue=key)
    world.invoked("", failed=True)
    world.after(1)
    assert world.state("errors") == "ALARM"
    assert world.heard() == []
    assert "does not have authorization to access the SNS topic encryption key" in caplog.text


@pytest.mark.long
def test_a_topic_with_another_policy_hears_nothing(
    world: World, account: Any, caplog: pytest.LogCaptureFixture
) -> None:
    topic = f"arn:aws:sns:{REGION}:123456789012:{world.stack}-alarms"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sns:Publish", "Resource": topic}
        ],
    }
    account.client("sns").set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy)
    )
    world.invoked("", failed=True)
    world.after(1)
    assert world.heard() == []
    assert "not authorized to perform: SNS:Publish" in caplog.text


def problem(account: Any, topic: str, mail: str = "") -> str:
    """What `sldb doctor` says of a topic."""
    mine = SimpleNamespace(topics=account.client("sns"))
    state = SimpleNamespace(outputs={"AlarmTopicArn": topic}, parameters={"AlarmMail": mail})
    found = topic_problem(mine, state)  # type: ignore[arg-type]  # what it needs of them
    return found.message if found else ""


def test_doctor_sees_why_nobody_hears_of_alarms(aws: Any, account: Any) -> None:
    sns = account.client("sns")
    topic = sns.create_topic(Name="ops")["TopicArn"]
    assert problem(account, topic) == f"{topic} has no subscriptions"
    made = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@example.com", ReturnSubscriptionArn=True)
    assert problem(account, topic, "ops@example.com") == ""
    with aws._moto.lock:  # moto's are confirmed from the beginning
        subscription = aws._moto.backend("sns", REGION).subscriptions[made["SubscriptionArn"]]
        subscription.arn = "PendingConfirmation"
    assert problem(account, topic, "ops@example.com") == "ops@example.com has not confirmed its subscription"
    assert problem(account, topic) == ""
    sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue="alias/aws/sns")
    assert problem(account, topic) == f"CloudWatch may not use the key alias/aws/sns of {topic}"
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    assert problem(account, topic) == f"the policy of {topic} does not name CloudWatch"
    sns.delete_topic(TopicArn=topic)
    assert problem(account, topic) == f"the topic {topic} is gone"
