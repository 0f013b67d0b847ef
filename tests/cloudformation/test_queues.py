"""The queues of the template: which there are, who may use them, and what keeps their messages."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("moto")

from sldb.deploy.checks.queues import _POLICIES, _SUBJECTS
from sldb.deploy.queues.options import KINDS
from tests.cloudformation.test_apis import RESOURCES, evaluated, of_type, target

QUEUES = dict(of_type("AWS::SQS::Queue"))
ALWAYS = {"FailedInvocations"}


def properties_with(kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
    return evaluated(target(Queue=kind, **parameters))


@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_has_the_queues_of_its_kind(kind: str) -> None:
    properties = properties_with(kind)
    own = {f"{kind.title()}Queue", f"{kind.title()}DeadLetters"} if kind != "none" else set()
    assert properties.keys() & QUEUES.keys() == ALWAYS | own
    assert ("QueueMapping" in properties) == ("QueueRights" in properties) == (kind != "none")
    assert len(properties["QueuesOnlyTls"]["Queues"]) == len(ALWAYS | own)


def test_every_queue_is_kept_and_encrypted() -> None:
    for name, properties in QUEUES.items():
        assert RESOURCES[name]["DeletionPolicy"] == RESOURCES[name]["UpdateReplacePolicy"] == "Retain"
        assert properties["SqsManagedSseEnabled"] == {"Fn::If": ["HasKmsKey", False, True]}
        assert properties["KmsMasterKeyId"]["Fn::If"][:2] == ["HasKmsKey", {"Ref": "KmsKey"}]
        assert "QueueName" not in properties  # what an earlier stack left would be in the way
        assert (properties.get("FifoQueue") is True) == name.startswith("Fifo")


@pytest.mark.parametrize("kind", ["fifo", "standard"])
def test_no_other_queue_may_have_its_dead_letters_run_as_sql(kind: str) -> None:
    queue = QUEUES[f"{kind.title()}Queue"]
    assert queue["RedriveAllowPolicy"] == {"redrivePermission": "denyAll"}
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": [f"{kind.title()}DeadLetters", "Arn"]}


def test_batches_have_the_size_of_the_kind() -> None:
    mapping = properties_with("fifo")["QueueMapping"]
    assert str(mapping["BatchSize"]) == "10"
    assert "MaximumBatchingWindowInSeconds" not in mapping
    mapping = properties_with("standard", QueueWindow="20")["QueueMapping"]
    assert (str(mapping["BatchSize"]), str(mapping["MaximumBatchingWindowInSeconds"])) == ("1000", "20")
    assert str(properties_with("standard", QueueBatch="50")["QueueMapping"]["BatchSize"]) == "50"
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_equal_messages_are_different_messages() -> None:
    assert QUEUES["FifoQueue"]["ContentBasedDeduplication"] is False


def test_rights_come_before_what_needs_them() -> None:
    """Lambda refuses a mapping or a destination that the role of the function may not use."""
    assert "QueueRights" in RESOURCES["QueueMapping"]["DependsOn"]
    assert "FailureRights" in RESOURCES["QueryInvokeConfig"]["DependsOn"]


def test_the_query_function_takes_messages_and_sends_none_to_the_queue() -> None:
    rights = dict(of_type("AWS::IAM::Policy"))
    taken, *keys = rights["QueueRights"]["PolicyDocument"]["Statement"]
    assert taken["Action"] == ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    assert [each["Fn::If"][0] for each in keys] == ["HasKmsKey", "HasFormerKmsKeys"]
    assert {each["Fn::If"][1]["Action"] for each in keys} == {"kms:Decrypt"}
    sent, key = rights["FailureRights"]["PolicyDocument"]["Statement"]
    assert key["Fn::If"][0] == "HasKmsKey"
    assert (sent["Action"], sent["Resource"]) == ("sqs:SendMessage", {"Fn::GetAtt": ["FailedInvocations", "Arn"]})
    assert {each["Roles"][0]["Ref"] for each in rights.values()} == {"QueryRole"}


def test_the_deployer_knows_queues_and_policies_by_name() -> None:
    assert set(_SUBJECTS) == set(QUEUES)
    assert {name: each["PolicyName"] for name, each in of_type("AWS::IAM::Policy")} == _POLICIES


def test_ids_are_remembered_for_longer_than_messages_can_wait() -> None:
    for name, properties in QUEUES.items():
        if "DeadLetters" in name or name in ALWAYS:
            assert properties["MessageRetentionPeriod"] == 14 * 86_400
    variables = RESOURCES["QueryFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["SLDB_QUEUE_RETENTION_DAYS"] == {"Ref": "QueueRememberedDays"}


def test_messages_wait_while_writes_are_refused() -> None:
    for migration, is_enabled in (("none", True), ("files", True), ("final", False)):
        assert properties_with("fifo", Migration=migration)["QueueMapping"]["Enabled"] is is_enabled
