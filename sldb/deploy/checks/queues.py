"""The checks of the resources of the queues, of their rights and mapping: whether each is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sldb.deploy.checks.check import Problems, ResourceCheck
from sldb.stack.names import ALIAS

_SUBJECTS = {
    "FifoQueue": "the queue",
    "StandardQueue": "the queue",
    "FifoDeadLetters": "the queue of dead letters",
    "StandardDeadLetters": "the queue of dead letters",
    "FailedInvocations": "the queue of failed invocations",
}
_POLICIES = {"QueueRights": "queue", "FailureRights": "failed-invocations"}  # names, as in the template


def _queue(it: ResourceCheck) -> Problems:
    subject = f"{_SUBJECTS.get(it.resource.logical_id, 'the queue')} {it.name.rpartition('/')[2]}"
    if _attributes(it, subject, it.name) is None:
        yield f"{subject} is gone, and with it every message that was in it"


def _queue_policy(it: ResourceCheck) -> Problems:
    """Look at the queues that the policy is for; missing ones are reported by themselves."""
    for logical_id, subject in _SUBJECTS.items():
        if url := it.names.get(logical_id):
            found = _attributes(it, subject, url)
            if found is not None and not found.get("Policy"):
                yield f"the policy of {subject} is gone"


def _mapping(it: ResourceCheck) -> Problems:
    subject = "the mapping of the queue to the function"
    found = it.describe(subject, lambda: it.account.functions.get_event_source_mapping(UUID=it.name))
    if found is None:
        yield f"{subject} is gone"


def _invoke_config(it: ResourceCheck) -> Problems:
    function = it.parameters.get("FunctionName", "")
    subject = f"the destination of failed invocations of {function}"
    client = it.account.functions
    # As in the template.
    given = {"FunctionName": function, "Qualifier": ALIAS if it.resource.logical_id.startswith("Alias") else "$LATEST"}
    found = it.describe(subject, lambda: client.get_function_event_invoke_config(**given))
    if found is None or not found.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"):
        yield f"{subject} is gone"


def _rights(it: ResourceCheck) -> Problems:
    role, policy = it.names.get("QueryRole", ""), _POLICIES.get(it.resource.logical_id, "")
    subject = f"the policy {policy} of the role {role}"
    if it.describe(subject, lambda: it.account.iam.get_role_policy(RoleName=role, PolicyName=policy)) is None:
        yield f"{subject} is gone"


def _attributes(it: ResourceCheck, subject: str, url: str) -> Mapping[str, str] | None:
    found = it.describe(subject, lambda: it.account.queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))
    return None if found is None else found.get("Attributes", {})


QUEUE_CHECKS: Mapping[str, Callable[[ResourceCheck], Problems]] = {
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::Lambda::EventInvokeConfig": _invoke_config,
    "AWS::IAM::Policy": _rights,
}
