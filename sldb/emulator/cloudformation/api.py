"""CloudFormation's actions, as far as a stack's state allows them, and their answers.

Every action names its parameters; a call with any other is refused by name.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.cloudformation import query, reads
from sldb.emulator.cloudformation.change_sets import changes_between, new_change_set, wrong_state
from sldb.emulator.cloudformation.drift import Detections
from sldb.emulator.cloudformation.engine import Operation
from sldb.emulator.cloudformation.resources import TYPES
from sldb.emulator.cloudformation.resources.base import Cloud, Existing
from sldb.emulator.cloudformation.saving_lock import SavingLock
from sldb.emulator.cloudformation.stack import Stack, now
from sldb.emulator.cloudformation.stacks import Stacks
from sldb.emulator.cloudformation.submission import submitted_target
from sldb.emulator.cloudformation.target import Target
from sldb.emulator.cloudformation.template import invalid
from sldb.emulator.cloudformation.template_reader import TemplateReader

_READS = ("Describe", "Get", "List", "Validate")
_UPDATABLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}

Action = Callable[["CloudFormation", str, dict[str, Any]], dict[str, Any]]


class CloudFormation:
    def __init__(
        self,
        url: str,
        templates: TemplateReader,
        stacks: Stacks | None = None,
        save: Callable[[Stacks], None] = lambda _stacks: None,
    ) -> None:
        self._templates = templates
        self._detections = Detections()
        self._stacks = stacks or Stacks()
        self._stacks.end_interrupted()
        self._lock = SavingLock(lambda: save(self._stacks))
        self._cloud = functools.cache(lambda region: Cloud(url, region))
        self._threads: list[threading.Thread] = []

    def answer(self, call: Call) -> Answer:
        if call.action not in _ACTIONS:
            raise NotEmulated(f"cloudformation:{call.action}")
        action, accepted = _ACTIONS[call.action]
        given = query.parse(call.action, call.form)
        if unknown := sorted(set(given) - accepted):
            raise NotEmulated(f"the parameter {unknown[0]} of cloudformation:{call.action}")
        if "TemplateURL" in given:
            given["TemplateText"] = self._templates.read(call, given["TemplateURL"])
        with self._lock.without_saving() if call.action.startswith(_READS) else self._lock:
            result = action(self, call.region, given)
        return query.render(call.action, result)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the running operations, each so long at most; return False if none is running."""
        running = [thread for thread in self._threads if thread.is_alive()]
        for thread in running:
            thread.join(seconds)
        return bool(running)

    def create_change_set(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        creates = given.get("ChangeSetType", "UPDATE") == "CREATE"
        stack = self._stacks.live(region, given["StackName"])
        if creates and stack is not None and stack.status != "REVIEW_IN_PROGRESS":
            raise AwsError(
                "AlreadyExistsException",
                f"Stack [{stack.name}] already exists and cannot be created again with the changeSet "
                f"[{given['ChangeSetName']}].",
            )
        if not creates:
            _check_updatable(self._stacks.existing(region, given["StackName"]))
        is_new = stack is None
        stack = stack or Stack.new(given["StackName"], region)
        target = submitted_target(stack, given)
        if any(each.name == given["ChangeSetName"] for each in stack.change_sets.values()):
            raise AwsError("AlreadyExistsException", f"ChangeSet {given['ChangeSetName']} already exists")
        if is_new:
            self._stacks.add(stack)
            stack.become("REVIEW_IN_PROGRESS", "User Initiated")
        actual = self._actual(stack) if given.get("DeploymentMode") == "REVERT_DRIFT" and not creates else None
        change_set = new_change_set(stack, target, given, creates, actual)
        stack.change_sets[change_set.id] = change_set
        return {"Id": change_set.id, "StackId": stack.id}

    def delete_change_set(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        try:
            stack, change_set = self._stacks.change_set(region, given)
        except AwsError as error:
            if error.code == "ChangeSetNotFound" and not given["ChangeSetName"].startswith("arn:"):
                return {}  # deleting what is not there succeeds
            raise
        if change_set.execution_status == "EXECUTE_IN_PROGRESS":
            raise wrong_state(change_set)
        del stack.change_sets[change_set.id]
        return {}

    def execute_change_set(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        stack, change_set = self._stacks.change_set(region, given)
        token = given.get("ClientRequestToken", "")
        if token and token == stack.token:
            return {}  # a retry of the call that began this
        if change_set.execution_status != "AVAILABLE":
            raise wrong_state(change_set)
        if not change_set.creates:
            _check_updatable(stack)
        stack.capabilities = change_set.capabilities
        change_set.execution_status = "EXECUTE_IN_PROGRESS"
        for other in [each for each in stack.change_sets.values() if each is not change_set]:
            del stack.change_sets[other.id]

        def done(succeeded: bool) -> None:
            change_set.execution_status = "EXECUTE_COMPLETE" if succeeded else "EXECUTE_FAILED"

        actual = change_set.actual or {}
        self._apply(stack, change_set.target, given, creates=change_set.creates, done=done, actual=actual)
        return {}

    def create_stack(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        if self._stacks.live(region, given["StackName"]) is not None:
            raise AwsError("AlreadyExistsException", f"Stack [{given['StackName']}] already exists")
        stack = Stack.new(given["StackName"], region)
        target = submitted_target(stack, given)
        stack.capabilities = given.get("Capabilities", [])
        self._stacks.add(stack)
        self._apply(stack, target, given, creates=True)
        return {"StackId": stack.id}

    def update_stack(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        stack = self._stacks.existing(region, given["StackName"])
        _check_updatable(stack)
        target = submitted_target(stack, given)
        if not changes_between(stack, target)[1]:
            raise invalid("No updates are to be performed.")
        self._apply(stack, target, given, creates=False)
        return {"StackId": stack.id}

    def delete_stack(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        stack = self._stacks.live(region, given["StackName"])
        if stack is None:
            return {}  # as AWS: what is not there counts as deleted
        if stack.status == "DELETE_IN_PROGRESS":
            return {}
        if stack.busy:
            raise invalid(f"Stack [{stack.name}] cannot be deleted while in status {stack.status}")
        retained = given.get("RetainResources", [])
        if retained and stack.status != "DELETE_FAILED":
            raise invalid("Invalid operation on stack. RetainResources can only be given for a stack in DELETE_FAILED")
        stack.token = given.get("ClientRequestToken", "")
        stack.become("DELETE_IN_PROGRESS", "User Initiated")
        operation = Operation(stack, self._cloud(region), self._lock)
        self._run(lambda: operation.delete(retained))
        return {}

    def continue_update_rollback(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        stack = self._stacks.existing(region, given["StackName"])
        if stack.status != "UPDATE_ROLLBACK_FAILED":
            raise invalid(f"Stack:{stack.id} is in {stack.status} state and can not be rolled back.")
        skipped = given.get("ResourcesToSkip", [])
        stuck = {step.logical_id for step in stack.stuck}
        if unknown := sorted(set(skipped) - stuck):
            raise invalid(f"Resource {unknown[0]} is not in UPDATE_FAILED state and can not be skipped")
        stack.token = given.get("ClientRequestToken", "")
        operation = Operation(stack, self._cloud(region), self._lock)
        self._run(lambda: operation.continue_roll_back(skipped))
        return {}

    def detect_stack_drift(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        stack = self._stacks.existing(region, given["StackName"])
        if stack.busy:
            raise invalid(f"Drift detection cannot be performed on stack {stack.id} in {stack.status} state")
        return {"StackDriftDetectionId": self._detections.begin(stack, self._actual(stack))}

    def describe_stack_drift_detection_status(self, _region: str, given: dict[str, Any]) -> dict[str, Any]:
        return self._detections.status(given["StackDriftDetectionId"])

    def describe_stack_resource_drifts(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        wanted = given.get("StackResourceDriftStatusFilters", [])
        found = self._detections.newest(self._stacks.existing(region, given["StackName"]))
        return {
            "StackResourceDrifts": [each for each in found if not wanted or each["StackResourceDriftStatus"] in wanted]
        }

    def _apply(
        self,
        stack: Stack,
        target: Target,
        given: dict[str, Any],
        *,
        creates: bool,
        done: Callable[[bool], None] = lambda _succeeded: None,
        actual: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        for unsupported in ("DisableRollback", "OnStackFailure"):
            if given.get(unsupported) not in (None, False, "ROLLBACK"):
                raise NotEmulated(f"{unsupported}={given[unsupported]}")
        stack.token = given.get("ClientRequestToken", "")
        if creates:
            stack.target = target
        else:
            stack.updated_at = now()
        stack.become(f"{'CREATE' if creates else 'UPDATE'}_IN_PROGRESS", "User Initiated")
        operation = Operation(stack, self._cloud(stack.region), self._lock)
        retains = given.get("RetainExceptOnCreate", False)
        self._run(
            lambda: operation.apply(target, creates=creates, retain_except_on_create=retains, done=done, actual=actual)
        )

    def _actual(self, stack: Stack) -> dict[str, Any]:
        """Return the actual properties of a stack's resources; None for a resource that is gone."""
        cloud = self._cloud(stack.region)
        return {
            name: TYPES[each.type].actual(Existing(cloud, each.physical_id, each.properties))
            for name, each in stack.resources.items()
        }

    def _run(self, work: Callable[[], None]) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=work, name="cloudformation")
        self._threads.append(thread)
        thread.start()


def _check_updatable(stack: Stack) -> None:
    if stack.status not in _UPDATABLE:
        raise invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")


def _read(action: Callable[[Stacks, str, dict[str, Any]], dict[str, Any]]) -> Action:
    return lambda api, region, given: action(api._stacks, region, given)


_TEXT = {"TemplateBody", "TemplateURL"}
_TEMPLATE = {"StackName", *_TEXT, "UsePreviousTemplate", "Parameters", "Capabilities", "Tags"}
_EXECUTION = {"ClientRequestToken", "DisableRollback", "RetainExceptOnCreate"}
_ACTIONS: Mapping[str, tuple[Action, set[str]]] = {
    "CreateChangeSet": (
        CloudFormation.create_change_set,
        {*_TEMPLATE, "ChangeSetName", "ChangeSetType", "Description", "ClientToken", "DeploymentMode"},
    ),
    "DescribeChangeSet": (
        _read(reads.describe_change_set),
        {"ChangeSetName", "StackName", "NextToken", "IncludePropertyValues"},
    ),
    "ListChangeSets": (_read(reads.list_change_sets), {"StackName", "NextToken"}),
    "DeleteChangeSet": (CloudFormation.delete_change_set, {"ChangeSetName", "StackName"}),
    "ExecuteChangeSet": (CloudFormation.execute_change_set, {"ChangeSetName", "StackName"} | _EXECUTION),
    "CreateStack": (CloudFormation.create_stack, _TEMPLATE | _EXECUTION),
    "UpdateStack": (CloudFormation.update_stack, _TEMPLATE | _EXECUTION),
    "DeleteStack": (CloudFormation.delete_stack, {"StackName", "RetainResources", "ClientRequestToken"}),
    "ContinueUpdateRollback": (
        CloudFormation.continue_update_rollback,
        {"StackName", "ResourcesToSkip", "ClientRequestToken"},
    ),
    "DetectStackDrift": (CloudFormation.detect_stack_drift, {"StackName"}),
    "DescribeStackDriftDetectionStatus": (
        CloudFormation.describe_stack_drift_detection_status,
        {"StackDriftDetectionId"},
    ),
    "DescribeStackResourceDrifts": (
        CloudFormation.describe_stack_resource_drifts,
        {"StackName", "StackResourceDriftStatusFilters", "MaxResults", "NextToken"},
    ),
    "DescribeStacks": (_read(reads.describe_stacks), {"StackName", "NextToken"}),
    "ListStacks": (_read(reads.list_stacks), {"StackStatusFilter", "NextToken"}),
    "DescribeStackEvents": (_read(reads.describe_stack_events), {"StackName", "NextToken"}),
    "DescribeStackResources": (_read(reads.describe_stack_resources), {"StackName", "LogicalResourceId"}),
    "DescribeStackResource": (_read(reads.describe_stack_resource), {"StackName", "LogicalResourceId"}),
    "ListStackResources": (_read(reads.list_stack_resources), {"StackName", "NextToken"}),
    "GetTemplate": (_read(reads.get_template), {"StackName", "ChangeSetName", "TemplateStage"}),
    "ValidateTemplate": (_read(reads.validate_template), _TEXT),
}
