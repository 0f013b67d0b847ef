"""One stack with everything that watches it: real causes raise its alarms, and a queue at their topic hears of them.

tests/sldb/emulator/monitoring/test_alarms.py has a cause for each alarm. Here functions are deployed, and really crash,
are refused, free locks and fail; the time between them passes by moving what CloudWatch has back.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.front.hooks import Proceed
from sldb.trace_parent import VARIABLE
from tests.end_to_end.stack import DEADLOCK_FIX, FUNCTION, Stack, is_commit, once
from tests.fakes.aws.emulated import emulated_aws, wheels_of
from tests.fakes.terminal.in_process import run_command
from tests.fakes.waiting import wait_until
from tests.sldb.test_trace_parent import PARENT

pytestmark = [pytest.mark.long, pytest.mark.network, pytest.mark.timeout(300)]

REGION, TIMEOUT_SECONDS = "us-east-1", 30
HIDDEN_SECONDS = 6 * TIMEOUT_SECONDS + 1
DAMAGED = ("damaged-1", "damaged-2", "damaged-3")  # as many as raise the alarm
RAISED = {
    *("errors", "throttles", "stale-locks", "dead-letters", "failed-invocations"),
    *("maintenance-failed", "maintenance-late"),  # the second: it never had a run without a failure
}
OPTIONS = (
    *("--alarms", "ops@example.com", "--dashboard", "--tracing", "--reserved-concurrency", "5"),
    *("--queue", "standard", "--queue-tries", "1", "--queue-batch", "10", "--queue-window", "0"),
    *("--timeout", str(TIMEOUT_SECONDS), "--memory", "512"),
)


class Watched(Stack):
    """A stack whose alarms are judged when the test says so, and a queue that hears of them."""

    def hear(self) -> None:
        self.aws.alarms.close()
        self.taken: dict[str, bytes] = {}  # objects of the log, away for a while
        self.sqs = boto3.client("sqs")
        self.ears = self.sqs.create_queue(QueueName="ears")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.ears, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        boto3.client("sns").subscribe(TopicArn=self.outputs()["AlarmTopicArn"], Protocol="sqs", Endpoint=arn)

    def heard(self) -> set[str]:
        """Judge the alarms, twice; return those whose state has changed, each with its new state.

        What SQS counts at the first time belongs to a minute that is over at the second.
        """
        for minutes in (1, 2):
            self.aws.alarms.tick(time.time() + 60 * minutes)
        found = set()
        while messages := self.sqs.receive_message(QueueUrl=self.ears, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.ears, ReceiptHandle=message["ReceiptHandle"])
                said = json.loads(json.loads(message["Body"])["Message"])
                found.add(f"{said['AlarmName'].removeprefix('test-db-')} {said['NewStateValue']}")
        return found

    def minutes_pass(self, minutes: int) -> None:
        with self.aws._moto.lock:
            for datum in self.aws._moto.backend("cloudwatch", REGION).metric_data:
                datum.timestamp -= timedelta(minutes=minutes)

    def outputs(self) -> dict[str, str]:
        (stack,) = boto3.client("cloudformation").describe_stacks(StackName="test-db")["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    def traced(self) -> list[str | None]:
        """The ids of the requests in the log of the function that have the trace of this test."""
        lines = [json.loads(line) for line in self.aws.log(FUNCTION) if '"event":"request"' in line]
        return [line["request_id"] for line in lines if line.get("trace_id") == PARENT[3:35]]

    def waiting(self, output: str) -> int:
        found = self.sqs.get_queue_attributes(QueueUrl=self.outputs()[output], AttributeNames=["All"])
        return int(found["Attributes"]["ApproximateNumberOfMessages"])


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest) -> Iterator[Watched]:
    with (
        emulated_aws(minute_seconds=3600, wheels=wheels_of(request.config)) as aws,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(VARIABLE, PARENT)
        stack = Watched(aws)
        assert stack.deploy(*OPTIONS) == 0
        stack.hear()
        yield stack


def crash(stack: Watched) -> None:
    """The container dies at its commit."""

    def kill(_call: Call, _proceed: Proceed) -> Answer:
        stack.kill_the_busy_container()
        return Answer(503, (), b"")

    with stack.hook(once(is_commit, kill)):
        status, error = stack.invoke({"query": "CREATE TABLE t (a)", "database": "crashed"})
    assert status == 0, error


def leave_a_dead_letter(stack: Watched) -> None:
    status, request_id, _ = run_command(["query", "--enqueue", "INSERT INTO nowhere VALUES (1)"])
    assert status == 0

    def is_dead() -> bool:
        stack.aws.advance(HIDDEN_SECONDS, if_idle=True)
        return stack.waiting("DeadLettersUrl") == 1

    wait_until(is_dead, "the message is a dead letter")
    assert stack.traced() == [request_id.strip()]
    assert run_command(["query", "SELECT 1"])[0] == 0
    assert len(stack.traced()) == 2


def fail_asynchronously(stack: Watched) -> None:
    """Without Lambda's repetitions, a minute and two minutes later."""
    destination = stack.functions.get_function_event_invoke_config(FunctionName=FUNCTION)["DestinationConfig"]
    stack.functions.put_function_event_invoke_config(
        FunctionName=FUNCTION, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": destination["OnFailure"]}
    )
    event = {"query": "INSERT INTO nowhere VALUES (1)", "asynchronous": True}
    stack.functions.invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=json.dumps(event))
    wait_until(lambda: stack.waiting("FailedInvocationsUrl") == 1, "the invocation is given up")


def be_refused(stack: Watched) -> None:
    """One invocation takes all that is reserved, twice within ten minutes."""
    stack.functions.put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=1)
    began, ends = threading.Event(), threading.Event()

    def hold(call: Call, proceed: Proceed) -> Answer:
        began.set()
        assert ends.wait(60)
        return proceed(call)

    with stack.hook(once(is_commit, hold)):
        busy = threading.Thread(target=stack.run, args=("CREATE TABLE held (a)",))
        busy.start()
        assert began.wait(60)
        for minutes in (5, 0):
            with pytest.raises(ClientError) as refused:
                stack.run("SELECT 1")
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
            stack.minutes_pass(minutes)
        ends.set()
        busy.join()


def leave_a_lock(stack: Watched) -> None:
    stack.take_lock(age_seconds=10_000, database="left")
    stack.run("CREATE TABLE t (a)", database="left")


def damage(stack: Watched) -> None:
    """A transaction of each is missing: the pass of the scheduled function fails."""
    bucket = stack.outputs()["DataBucket"]
    for database in DAMAGED:
        for number in range(4):
            stack.run("INSERT INTO t VALUES (1)" if number else "CREATE TABLE t (a)", database=database)
        found = stack.s3.list_objects_v2(Bucket=bucket, Prefix=f"databases/{database}/")["Contents"]
        keys = sorted(each["Key"] for each in found if each["Key"].endswith(".ltx"))
        stack.taken[keys[1]] = stack.s3.get_object(Bucket=bucket, Key=keys[1])["Body"].read()
        stack.s3.delete_object(Bucket=bucket, Key=keys[1])
    stack.functions.invoke(FunctionName=DEADLOCK_FIX)


def test_real_causes_raise_the_alarms_of_a_stack(stack: Watched) -> None:
    reserved = stack.functions.get_function_concurrency(FunctionName=FUNCTION)["ReservedConcurrentExecutions"]
    mode = stack.functions.get_function_configuration(FunctionName=FUNCTION)["TracingConfig"]["Mode"]
    assert (reserved, mode) == (5, "Active")

    causes: tuple[Callable[[Watched], None], ...] = (
        *(be_refused, crash, leave_a_lock, damage, leave_a_dead_letter, fail_asynchronously),
    )
    for cause in causes:
        cause(stack)
    heard = {each.removesuffix(" ALARM") for each in stack.heard() if each.endswith(" ALARM")}
    assert heard == RAISED
    shown = json.loads(run_command(["status", "--format", "json"])[1])["alarms"]
    assert {each["name"] for each in shown if each["state"] == "ALARM"} == RAISED
    assert run_command(["doctor"])[0] == 1
    dashboard = boto3.client("cloudwatch").get_dashboard(DashboardName="test-db")["DashboardBody"]
    assert stack.outputs()["DeadLettersUrl"].rpartition("/")[2] in dashboard

    for output in ("DeadLettersUrl", "FailedInvocationsUrl"):
        stack.sqs.purge_queue(QueueUrl=stack.outputs()[output])
    for key, content in stack.taken.items():
        stack.s3.put_object(Bucket=stack.outputs()["DataBucket"], Key=key, Body=content, IfNoneMatch="*")
    stack.minutes_pass(60)
    stack.functions.invoke(FunctionName=DEADLOCK_FIX)
    assert {f"{alarm} OK" for alarm in RAISED} <= stack.heard()
