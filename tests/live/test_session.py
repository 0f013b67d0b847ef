"""A run that is interrupted, or fails, at any step: nothing with its name remains, and what remains is named."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from live import leftovers, session
from live.plan import Failed, Option, Skipped
from live.session import CONFIRMED, REFUTED, SKIPPED, Outcome, Run, perform
from live.stage import Stage, new_name
from sldb.aws.options import AwsOptions
from sldb.emulator import Emulator
from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.front.hooks import Proceed
from tests.fakes.aws.emulated import emulated_aws, hooked

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def aws() -> Iterator[Emulator]:
    with emulated_aws() as aws:
        yield aws


@pytest.fixture
def stage(aws: Emulator) -> Stage:
    return Stage(new_name(), AwsOptions(), is_emulated=True)


def nothing(_stage: Stage) -> None: ...


def check(stage: Stage) -> str:
    return f"{stage.name} is there"


POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
KEY_POLICY = POLICY.replace('"Effect"', '"Principal": "*", "Effect"').replace("s3:", "kms:")
OPTION = Option("a", "a stack", ("--lock", "none"), nothing, {"claim": check})


def run(stage: Stage, *options: Option, interrupt_at: str = "", claims: dict[str, str] | None = None) -> Outcome:
    def begins(step: str) -> None:
        if step == interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)

    return perform(Run(stage, options, claims or {}, 1, begins))


@pytest.mark.parametrize("step", ["a: deploy", "a: use", "destroy"])
def test_after_ctrl_c_at_a_step_nothing_is_left(stage: Stage, step: str) -> None:
    outcome = run(stage, OPTION, interrupt_at=step)
    assert outcome.is_interrupted == (step != "destroy")  # while it is taken down, a signal is ignored
    assert (outcome.left, leftovers.find(stage.account, stage.name)) == ([], [])


@pytest.mark.parametrize("action", ["CreateBucket", "ExecuteChangeSet"])
def test_after_a_signal_in_the_middle_of_a_deployment_nothing_is_left(aws: Emulator, stage: Stage, action: str) -> None:
    """SIGTERM, which asks as Ctrl-C does."""

    def signal_once(call: Call, proceed: Proceed) -> Answer:
        answer = proceed(call)
        if call.action == action and not sent:
            sent.append(action)
            os.kill(os.getpid(), signal.SIGTERM)
        return answer

    sent: list[str] = []
    with hooked(aws, signal_once):
        outcome = run(stage, OPTION)
    assert sent
    assert (outcome.is_interrupted, outcome.left) == (True, [])
    assert leftovers.find(stage.account, stage.name) == []


def test_outcomes_of_options_and_claims(stage: Stage) -> None:
    def fails(_stage: Stage) -> None:
        raise Failed("it does not hold")

    def refuted(_stage: Stage) -> str:
        raise Failed("another status")

    def skipped(_stage: Stage) -> str:
        raise Skipped("not here")

    works = Option("b", "…", (), nothing, {"good": check, "bad": refuted, "elsewhere": skipped})
    options = (
        Option("a", "…", ("--lock", "none"), fails, {"late": check}),
        works,
        Option("c", "…", ("--memory", "1"), nothing),
    )
    claims = {"good": "", "bad": "", "elsewhere": "", "late": "", "never": "no option has it"}
    outcome = run(stage, *options, claims=claims)
    assert (outcome.scenarios["a"], outcome.scenarios["b"]) == ("it does not hold", "")
    assert "deploy --yes --memory 1` ended with 2" in outcome.scenarios["c"]
    assert {claim: result for claim, (result, _) in outcome.checks.items()} == {
        "good": CONFIRMED,
        "bad": REFUTED,
        "elsewhere": SKIPPED,
        "late": SKIPPED,
        "never": SKIPPED,
    }
    assert (outcome.left, outcome.is_good) == ([], False)


def test_what_cannot_be_deleted_is_named(aws: Emulator, stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(call: Call, proceed: Proceed) -> Answer:
        return Answer(503, {}, b"") if call.action == "DeleteStack" else proceed(call)

    monkey = pytest.MonkeyPatch()
    monkey.setattr(session, "TRIES", 1)
    with hooked(aws, refuse):
        outcome = run(stage, OPTION)
    monkey.undo()
    assert any(each.startswith(f"stack {stage.name} ") for each in outcome.left)
    assert f"left: stack {stage.name}" in capsys.readouterr().err
    assert session.take_down(stage) == []


def test_leftovers_are_of_this_name_alone(stage: Stage) -> None:
    stage.account.s3.create_bucket(Bucket=f"{stage.name}-data-1")
    stage.account.s3.create_bucket(Bucket=f"{stage.name}0")
    stage.account.logs.create_log_group(logGroupName=f"/aws/lambda/{stage.name}-function")
    group: Any = stage.account.ec2.create_security_group(GroupName="x", Description="x")
    stage.account.ec2.create_tags(Resources=[group["GroupId"]], Tags=[{"Key": "sldb:stack", "Value": stage.name}])
    assert leftovers.find(stage.account, stage.name) == [
        f"bucket {stage.name}-data-1",
        f"log group /aws/lambda/{stage.name}-function",
        f"security group {group['GroupId']} (x)",
    ]


def test_a_log_group_and_a_queue_without_a_stack_are_deleted(stage: Stage) -> None:
    stage.account.logs.create_log_group(logGroupName=f"/aws/lambda/{stage.name}-function")
    stage.account.session.client("sqs").create_queue(QueueName=f"{stage.name}-live")
    assert len(leftovers.find(stage.account, stage.name)) == 2
    assert session.take_down(stage) == []


def test_a_name_that_no_run_has() -> None:
    with pytest.raises(ValueError, match="no name of a live check"):
        Stage("test-db", AwsOptions(), is_emulated=True)


def make_key(stage: Stage) -> tuple[str, ...]:
    stage.account.session.client("kms").create_key(Description=stage.name, Policy=KEY_POLICY)
    return ()


def test_what_an_option_has_made_before_its_deployment_is_taken_down_with_it(stage: Stage) -> None:
    """A key cannot be deleted at once: it is no leftover, and named all the same."""
    option = Option("a", "a key", ("--memory", "1"), nothing, prepare=make_key)
    outcome = run(stage, option)
    assert "ended with 2" in outcome.scenarios["a"]
    assert outcome.left == []
    assert [each.split()[0] for each in outcome.pending] == ["key"]
    assert leftovers.pending(stage.account, new_name()) == []


def test_an_option_that_begins_anew_finds_nothing_of_the_one_before(stage: Stage) -> None:
    def write(stage: Stage) -> None:
        stage.account.s3.put_object(Bucket=bucket(stage), Key="databases/main/x", Body=b"x")

    def look(stage: Stage) -> None:
        assert "Contents" not in stage.account.s3.list_objects_v2(Bucket=bucket(stage), Prefix="databases/main")

    def bucket(stage: Stage) -> str:
        return f"{stage.name}-data-{stage.account.id}-{stage.account.region}"

    anew = Option("b", "…", ("--lock", "none"), look, is_new=True)
    outcome = run(stage, Option("a", "…", ("--lock", "none"), write), anew)
    assert (outcome.scenarios, outcome.left) == ({"a": "", "b": ""}, [])


def test_what_stands_outside_of_a_stack_is_found_and_deleted(stage: Stage) -> None:
    account, name = stage.account, stage.name
    elsewhere = account.session.client("s3", region_name="us-west-2")
    elsewhere.create_bucket(
        Bucket=f"{name}-{leftovers.BACKUP}", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    elsewhere.put_object(Bucket=f"{name}-{leftovers.BACKUP}", Key="a", Body=b"x")
    account.iam.create_user(UserName=f"{name}-{leftovers.CALLER}")
    account.iam.create_access_key(UserName=f"{name}-{leftovers.CALLER}")
    account.iam.put_user_policy(UserName=f"{name}-{leftovers.CALLER}", PolicyName="x", PolicyDocument=POLICY)
    make_key(stage)
    assert [each.split()[0] for each in leftovers.find(account, name)] == ["bucket", "user", "key"]
    assert session.take_down(stage) == []


def test_options_of_one_deployment_are_deployed_once(stage: Stage) -> None:
    """Unless the one before has failed: then its deployment may have, too."""
    steps: list[str] = []

    def fails(_stage: Stage) -> None:
        raise Failed("it does not hold")

    same = ("--lock", "none")
    options = (
        Option("a", "…", same, nothing),
        Option("b", "…", same, nothing),
        Option("c", "…", (), fails),
        Option("d", "…", same, nothing),
    )
    perform(Run(stage, options, {}, 1, steps.append))
    assert [step for step in steps if step.endswith("deploy")] == ["a: deploy", "d: deploy"]
