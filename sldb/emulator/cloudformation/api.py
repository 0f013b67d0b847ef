"""CloudFormation's actions: which of them a stack's state allows, and their answers.

Every action names the parameters that it acts on; a call with any other is refused by name.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from sldb.emulator.calls.call import ACCOUNT, Answer, Call
from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.cloudformation import describe, query
from sldb.emulator.cloudformation.change import Change
from sldb.emulator.cloudformation.engine import Operation
from sldb.emulator.cloudformation.plan import plan
from sldb.emulator.cloudformation.resources import TYPES
from sldb.emulator.cloudformation.resources.base import Cloud, Existing
from sldb.emulator.cloudformation.stack import ChangeSet, Stack, now
from sldb.emulator.cloudformation.target import Target
from sldb.emulator.cloudformation.template import Template, invalid, load, parameter_values

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_UPDATABLE = {
    *("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"),
}
MAX_TAGS = 50
_NAMED_IAM = {"AWS::IAM::Role": "RoleName"}
_IAM_TYPES = {"AWS::IAM::Role", "AWS::IAM::Policy"}

Action = Callable[["CloudFormation", str, dict[str, Any]], dict[str, Any]]


class CloudFormation:
    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.RLock()
        self._stacks: dict[str, Stack] = {}  # by id, deleted ones included
        self._clouds: dict[str, Cloud] = {}
        self._threads: list[threading.Thread] = []

    def answer(self, call: Call) -> Answer:
        if call.action not in _ACTIONS:
            raise NotEmulated(f"cloudformation:{call.action}")
        action, accepted = _ACTIONS[call.action]
        given = query.parse(call.action, call.form)
        if unknown := sorted(set(given) - accepted):
            raise NotEmulated(f"the parameter {unknown[0]} of cloudformation:{call.action}")
        with self._lock:
            result = action(self, call.region, given)
        return query.render(call.action, result)

    def close(self) -> None:
        """Wait for operations that run; they end by themselves."""
        for thread in self._threads:
            thread.join()

    def create_change_set(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        creates = given.get("ChangeSetType", "UPDATE") == "CREATE"
        stack = self._live(region, given["StackName"])
        if creates and stack is not None and stack.status != "REVIEW_IN_PROGRESS":
            raise AwsError(
                "AlreadyExistsException",
                f"Stack [{stack.name}] already exists and cannot be created again with the changeSet "
                f"[{given['ChangeSetName']}].",
            )
        if not creates:
            _check_updatable(self._existing(region, given["StackName"]))
        is_new = stack is None
        stack = stack or Stack.new(given["StackName"], region)
        target = _target(stack, given)
        _check_capabilities(target.template, given.get("Capabilities", []))
        if any(each.name == given["ChangeSetName"] for each in stack.change_sets.values()):
            raise AwsError("AlreadyExistsException", f"ChangeSet {given['ChangeSetName']} already exists")
        if is_new:
            self._stacks[stack.id] = stack
            stack.become("REVIEW_IN_PROGRESS", "User Initiated")
        actual = self._actual(stack) if given.get("DeploymentMode") == "REVERT_DRIFT" and not creates else None
        change_set = _new_change_set(stack, target, given, creates, actual)
        stack.change_sets[change_set.id] = change_set
        return {"Id": change_set.id, "StackId": stack.id}

    def describe_change_set(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        stack, change_set = self._change_set(region, given)
        return describe.change_set(stack, change_set)

    def list_change_sets(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        stack = self._existing(region, given["StackName"])
        return {"Summaries": [describe.change_set_summary(stack, each) for each in stack.change_sets.values()]}

    def delete_change_set(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        try:
            stack, change_set = self._change_set(region, given)
        except AwsError as error:
            if error.code == "ChangeSetNotFound" and not given["ChangeSetName"].startswith("arn:"):
                return {}  # deleting what is not there succeeds
            raise
        if change_set.execution_status == "EXECUTE_IN_PROGRESS":
            raise _wrong_change_set_state(change_set)
        del stack.change_sets[change_set.id]
        return {}

    def execute_change_set(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        stack, change_set = self._change_set(region, given)
        token = given.get("ClientRequestToken", "")
        if token and token == stack.token:
            return {}  # a retry of the call that began this
        if change_set.execution_status != "AVAILABLE":
            raise _wrong_change_set_state(change_set)
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
        if self._live(region, given["StackName"]) is not None:
            raise AwsError("AlreadyExistsException", f"Stack [{given['StackName']}] already exists")
        stack = Stack.new(given["StackName"], region)
        target = _target(stack, given)
        _check_capabilities(target.template, given.get("Capabilities", []))
        stack.capabilities = given.get("Capabilities", [])
        self._stacks[stack.id] = stack
        self._apply(stack, target, given, creates=True)
        return {"StackId": stack.id}

    def update_stack(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        stack = self._existing(region, given["StackName"])
        _check_updatable(stack)
        target = _target(stack, given)
        _check_capabilities(target.template, given.get("Capabilities", []))
        if not _changes(stack, target)[1]:
            raise invalid("No updates are to be performed.")
        self._apply(stack, target, given, creates=False)
        return {"StackId": stack.id}

    def delete_stack(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        stack = self._live(region, given["StackName"])
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
        stack = self._existing(region, given["StackName"])
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

    def describe_stacks(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        if "StackName" in given:
            return {"Stacks": [describe.stack(self._existing(region, given["StackName"]))]}
        live = [each for each in self._stacks.values() if each.region == region and each.deleted_at is None]
        return {"Stacks": [describe.stack(each) for each in live]}

    def list_stacks(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        wanted = given.get("StackStatusFilter", [])
        found = [each for each in self._stacks.values() if each.region == region]
        return {
            "StackSummaries": [describe.stack_summary(each) for each in found if not wanted or each.status in wanted]
        }

    def describe_stack_events(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        return {"StackEvents": self._existing(region, given["StackName"]).events[::-1]}

    def describe_stack_resources(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        stack = self._existing(region, given["StackName"])
        wanted = given.get("LogicalResourceId")
        found = [each for each in stack.statuses.values() if wanted in (None, each.logical_id)]
        return {"StackResources": [describe.resource(stack, each) for each in found]}

    def list_stack_resources(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        stack = self._existing(region, given["StackName"])
        return {"StackResourceSummaries": [describe.resource_summary(each) for each in stack.statuses.values()]}

    def describe_stack_resource(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        stack = self._existing(region, given["StackName"])
        name = given["LogicalResourceId"]
        if name not in stack.statuses:
            raise invalid(f"Resource {name} does not exist for stack {stack.name}")
        return {"StackResourceDetail": describe.resource_detail(stack, stack.statuses[name])}

    def get_template(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        if "ChangeSetName" in given:
            target: Target | None = self._change_set(region, given)[1].target
        else:
            target = self._existing(region, given["StackName"]).target
        text = target.template.text if target else ""
        return {"TemplateBody": text, "StagesAvailable": ["Original", "Processed"]}

    def validate_template(self, _region: str, given: dict[str, Any]) -> dict[str, Any]:
        template = load(_body(given, None))
        _check_supplied(template)
        needed = _capabilities_needed(template)
        return {
            "Description": template.description,
            "Parameters": [describe.parameter(name, each) for name, each in template.parameters.items()],
            "Capabilities": [needed] if needed else [],
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
        """The properties of a stack's resources as they are; None for what is gone."""
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

    def _cloud(self, region: str) -> Cloud:
        if region not in self._clouds:
            self._clouds[region] = Cloud(self._url, region)
        return self._clouds[region]

    def _live(self, region: str, name_or_id: str) -> Stack | None:
        """The stack of that name or id, unless it is deleted."""
        return next(
            (
                each
                for each in self._stacks.values()
                if each.region == region and each.deleted_at is None and name_or_id in (each.name, each.id)
            ),
            None,
        )

    def _existing(self, region: str, name_or_id: str) -> Stack:
        """The stack of that name, or of that id, which a deleted one still has."""
        found = self._stacks.get(name_or_id) or self._live(region, name_or_id)
        if found is None:
            raise invalid(f"Stack with id {name_or_id} does not exist")
        return found

    def _change_set(self, region: str, given: Mapping[str, Any]) -> tuple[Stack, ChangeSet]:
        name = given["ChangeSetName"]
        stacks = [self._existing(region, given["StackName"])] if "StackName" in given else list(self._stacks.values())
        for stack in stacks:
            for change_set in stack.change_sets.values():
                if name in (change_set.id, change_set.name):
                    return stack, change_set
        raise AwsError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)


def _new_change_set(
    stack: Stack,
    target: Target,
    given: Mapping[str, Any],
    creates: bool,
    actual: Mapping[str, Any] | None,
) -> ChangeSet:
    changes, differs = _changes(stack, target, actual)
    return ChangeSet(
        name=given["ChangeSetName"],
        id=f"arn:aws:cloudformation:{stack.region}:{ACCOUNT}:changeSet/{given['ChangeSetName']}/{uuid.uuid4()}",
        target=target,
        creates=creates,
        changes=changes,
        status="CREATE_COMPLETE" if differs else "FAILED",
        status_reason="" if differs else NO_CHANGES,
        execution_status="AVAILABLE" if differs else "UNAVAILABLE",
        description=given.get("Description", ""),
        capabilities=given.get("Capabilities", []),
        created_at=now(),
        actual=actual,
    )


def _changes(stack: Stack, target: Target, actual: Mapping[str, Any] | None = None) -> tuple[tuple[Change, ...], bool]:
    """What would change, and whether anything would."""
    changes = plan(target, stack.resources, actual)
    if changes or stack.target is None:
        return changes, bool(changes)
    known = {name: resource.known for name, resource in stack.resources.items()}
    policies_differ = any(
        target.template.resources[name].get(attribute, "Delete") != value
        for name, resource in stack.resources.items()
        for attribute, value in (
            ("DeletionPolicy", resource.deletion_policy),
            ("UpdateReplacePolicy", resource.replace_policy),
        )
    )
    if target.tags != stack.target.tags:
        return changes, True
    return changes, policies_differ or target.outputs(known) != stack.outputs


def _target(stack: Stack, given: Mapping[str, Any]) -> Target:
    template = load(_body(given, stack.target))
    _check_supplied(template)
    previous = stack.target.parameters if stack.target is not None else {}
    parameters = parameter_values(template, given.get("Parameters", []), previous)
    return Target(template, parameters, stack.name, stack.id, stack.region, _tags(stack, given))


def _tags(stack: Stack, given: Mapping[str, Any]) -> dict[str, str]:
    """The stack's tags: given, or as before."""
    if "Tags" not in given:
        return dict(stack.target.tags) if stack.target is not None else {}
    tags = {tag["Key"]: tag["Value"] for tag in given["Tags"]}
    if reserved := [key for key in tags if key.lower().startswith("aws:")]:
        raise invalid(f"aws: prefixed tag key names are not allowed for external use: {reserved[0]}")
    if len(tags) > MAX_TAGS:
        raise invalid(f"Number of tags exceeds the limit of {MAX_TAGS}")
    return tags


def _body(given: Mapping[str, Any], previous: Target | None) -> str:
    if given.get("UsePreviousTemplate") and previous is not None:
        return previous.template.text
    if "TemplateBody" not in given:
        raise invalid("Either Template URL or Template Body must be specified. (The emulator takes a body.)")
    return str(given["TemplateBody"])


def _check_supplied(template: Template) -> None:
    """Refuse what this emulator would have to leave out."""
    for name, definition in template.resources.items():
        resource_type = TYPES.get(definition["Type"])
        if resource_type is None:
            raise NotEmulated(f"{definition['Type']} (the resource {name})")
        if unknown := sorted(set(definition.get("Properties") or {}) - resource_type.properties):
            raise NotEmulated(f"the property {unknown[0]} of {definition['Type']} (the resource {name})")


def _capabilities_needed(template: Template) -> str | None:
    named = any(
        _NAMED_IAM.get(template.type_of(name), "") in template.properties_of(name) for name in template.resources
    )
    if named:
        return "CAPABILITY_NAMED_IAM"
    has_iam = any(template.type_of(name) in _IAM_TYPES for name in template.resources)
    return "CAPABILITY_IAM" if has_iam else None


def _check_capabilities(template: Template, given: list[str]) -> None:
    needed = _capabilities_needed(template)
    enough = {"CAPABILITY_NAMED_IAM", needed}
    if needed is not None and not enough & set(given):
        raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")


def _check_updatable(stack: Stack) -> None:
    if stack.status not in _UPDATABLE:
        raise invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")


def _wrong_change_set_state(change_set: ChangeSet) -> AwsError:
    return AwsError(
        "InvalidChangeSetStatus",
        f"ChangeSet [{change_set.id}] cannot be executed in its current status of [{change_set.status}], "
        f"execution status [{change_set.execution_status}]",
    )


_TEMPLATE = {"StackName", "TemplateBody", "UsePreviousTemplate", "Parameters", "Capabilities", "Tags"}
_ACTIONS: Mapping[str, tuple[Action, set[str]]] = {
    "CreateChangeSet": (
        CloudFormation.create_change_set,
        {*_TEMPLATE, "ChangeSetName", "ChangeSetType", "Description", "ClientToken", "DeploymentMode"},
    ),
    "DescribeChangeSet": (
        CloudFormation.describe_change_set,
        {"ChangeSetName", "StackName", "NextToken", "IncludePropertyValues"},
    ),
    "ListChangeSets": (CloudFormation.list_change_sets, {"StackName", "NextToken"}),
    "DeleteChangeSet": (CloudFormation.delete_change_set, {"ChangeSetName", "StackName"}),
    "ExecuteChangeSet": (
        CloudFormation.execute_change_set,
        {"ChangeSetName", "StackName", "ClientRequestToken", "DisableRollback", "RetainExceptOnCreate"},
    ),
    "CreateStack": (
        CloudFormation.create_stack,
        {*_TEMPLATE, "ClientRequestToken", "DisableRollback", "RetainExceptOnCreate"},
    ),
    "UpdateStack": (
        CloudFormation.update_stack,
        {*_TEMPLATE, "ClientRequestToken", "DisableRollback", "RetainExceptOnCreate"},
    ),
    "DeleteStack": (CloudFormation.delete_stack, {"StackName", "RetainResources", "ClientRequestToken"}),
    "ContinueUpdateRollback": (
        CloudFormation.continue_update_rollback,
        {"StackName", "ResourcesToSkip", "ClientRequestToken"},
    ),
    "DescribeStacks": (CloudFormation.describe_stacks, {"StackName", "NextToken"}),
    "ListStacks": (CloudFormation.list_stacks, {"StackStatusFilter", "NextToken"}),
    "DescribeStackEvents": (CloudFormation.describe_stack_events, {"StackName", "NextToken"}),
    "DescribeStackResources": (CloudFormation.describe_stack_resources, {"StackName", "LogicalResourceId"}),
    "DescribeStackResource": (CloudFormation.describe_stack_resource, {"StackName", "LogicalResourceId"}),
    "ListStackResources": (CloudFormation.list_stack_resources, {"StackName", "NextToken"}),
    "GetTemplate": (CloudFormation.get_template, {"StackName", "ChangeSetName", "TemplateStage"}),
    "ValidateTemplate": (CloudFormation.validate_template, {"TemplateBody"}),
}
