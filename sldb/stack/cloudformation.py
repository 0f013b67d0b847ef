"""One CloudFormation stack: describe, change set, execute, delete, and watch while it works.

Only calls and their decoding; what to do with which state is decided in `states`, what to show in `display`.
Events are told apart by their ids: whatever was there when an operation began belongs to an earlier one.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from sldb.aws.errors import OperationFailed, aws_errors, is_missing_stack
from sldb.stack.changes import Change
from sldb.stack.events import StackEvent
from sldb.stack.ownership import DESCRIPTION, has_marks, is_ours, not_ours
from sldb.stack.state import ChangeSet, Operation, StackResource, StackState

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

OnEvent = Callable[[StackEvent], None]
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0  # seconds between two looks
_PATIENCE = 30  # looks at a stack without events until we believe that nothing happens
CHANGE_SET_NAME = re.compile(r"sldb-[0-9a-f]{32}")
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


class Stack:
    def __init__(self, client: CloudFormationClient, name: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._sleep = sleep
        self.name = name

    def describe(self, stack_id: str | None = None) -> StackState | None:
        """None if there is none. A deleted stack is only found by its id."""
        from botocore.exceptions import ClientError

        with aws_errors(f"describe the stack {self.name}"):
            try:
                found = self._client.describe_stacks(StackName=stack_id or self.name)["Stacks"]
            except ClientError as error:
                if is_missing_stack(error):
                    return None
                raise
        return _state(found[0]) if found else None

    def describe_ours(self) -> StackState | None:
        """Return the state of the stack, None if there is none. Raises `store_error` where it is none of sldb's."""
        state = self.describe()
        if state is None or state.gone:
            return None
        if not self.is_ours(state):
            raise not_ours(self.name)
        return state

    def is_ours(self, state: StackState) -> bool:
        """Return whether sldb made the stack, or prepared it. `state`: of the stack, which is there."""
        if state.status == "REVIEW_IN_PROGRESS":
            return self._is_waiting_for_us(state)
        return is_ours(self.name, state) or (not state.description and self._has_our_template(state))

    def _has_our_template(self, state: StackState) -> bool:
        """Return what the template says, where CloudFormation leaves its description out, as MiniStack does."""
        has_parameters = has_marks(state.parameters.keys(), describes_us=True)
        return has_parameters and DESCRIPTION in self.template()

    def _is_waiting_for_us(self, state: StackState) -> bool:
        """Return whether only changes of ours are prepared for a stack that has nothing yet, and so no description."""
        with aws_errors(f"list the prepared changes of the stack {self.name}"):
            waiting: Any = self._client.list_change_sets(StackName=state.id)["Summaries"]
            return all(self._is_our_change_set(each["ChangeSetName"], state.id) for each in waiting)

    def _is_our_change_set(self, name: str, stack_id: str) -> bool:
        if CHANGE_SET_NAME.fullmatch(name):
            return True
        given: Any = self._client.describe_change_set(ChangeSetName=name, StackName=stack_id).get("Parameters", ())
        template = self._client.get_template(StackName=stack_id, ChangeSetName=name, TemplateStage="Original")
        return has_marks(
            {each["ParameterKey"] for each in given}, describes_us=DESCRIPTION in str(template["TemplateBody"])
        )

    def template(self) -> str:
        with aws_errors(f"read the template of the stack {self.name}"):
            body: Any = self._client.get_template(StackName=self.name, TemplateStage="Original")["TemplateBody"]
        return body if isinstance(body, str) else ""

    def resources(self) -> list[StackResource]:
        """What CloudFormation believes to be there."""
        with aws_errors(f"list the resources of the stack {self.name}"):
            pages = self._client.get_paginator("list_stack_resources").paginate(StackName=self.name)
            listed: list[Any] = [each for page in pages for each in page["StackResourceSummaries"]]
        return [
            StackResource(
                each["LogicalResourceId"], each["ResourceType"], each["PhysicalResourceId"], each["ResourceStatus"]
            )
            for each in listed
            if each.get("PhysicalResourceId") and not each["ResourceStatus"].startswith("DELETE_")
        ]

    def prepare(
        self,
        template: str,
        parameters: Mapping[str, str],
        tags: Mapping[str, str] | None,
        *,
        creates: bool,
        mends: bool = False,
    ) -> ChangeSet | None:
        """A change set, not executed. None where there is nothing to change. `tags`: all of the stack's; None where it
        has none and had none. With `mends` CloudFormation compares with what there is, makes anew what is gone, and
        takes back what was changed by hand."""
        more: Any = {"DeploymentMode": "REVERT_DRIFT"} if mends else {}
        if tags is not None:
            more["Tags"] = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
        with aws_errors(f"prepare the changes of the stack {self.name}"):
            made = self._client.create_change_set(
                StackName=self.name,
                ChangeSetName=f"sldb-{uuid.uuid4().hex}",
                ChangeSetType="CREATE" if creates else "UPDATE",
                TemplateBody=template,
                Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in sorted(parameters.items())],
                Capabilities=["CAPABILITY_IAM"],
                **more,
            )
            change_set = ChangeSet(made["Id"], made["StackId"], creates, ())
            pages = self._wait_for_change_set(change_set)
        if pages is None:
            self.drop(change_set)
            return None
        changes = [change["ResourceChange"] for page in pages for change in page.get("Changes", ())]
        return ChangeSet(made["Id"], made["StackId"], creates, tuple(map(Change.decode, changes)))

    def _wait_for_change_set(self, change_set: ChangeSet) -> list[Any] | None:
        pause = _FIRST_PAUSE
        while True:
            first: Any = self._client.describe_change_set(ChangeSetName=change_set.id, StackName=change_set.stack_id)
            if first["Status"] == "CREATE_COMPLETE":
                return self._further_pages(change_set, first)
            if first["Status"] == "FAILED":
                reason = first.get("StatusReason", "")
                if any(text in reason for text in _NO_CHANGES):
                    return None
                self.drop(change_set)
                raise OperationFailed(f"CloudFormation refuses these changes: {reason}")
            self._sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _further_pages(self, change_set: ChangeSet, page: Any) -> list[Any]:
        pages = [page]
        while token := page.get("NextToken"):
            page = self._client.describe_change_set(
                ChangeSetName=change_set.id, StackName=change_set.stack_id, NextToken=token
            )
            pages.append(page)
        return pages

    def drop(self, change_set: ChangeSet) -> None:
        """Forget a change set that is not to be executed, and the empty stack that came with it."""
        with aws_errors(f"drop the prepared changes of the stack {self.name}"):
            try:
                self._client.delete_change_set(ChangeSetName=change_set.id, StackName=change_set.stack_id)
            except self._client.exceptions.ChangeSetNotFoundException:
                return  # it went when somebody else's was executed, and the stack is theirs
            if not change_set.creates:
                return
            state = self.describe(change_set.stack_id)
            others: Any = self._client.list_change_sets(StackName=change_set.stack_id)["Summaries"]
            waiting = [other for other in others if other.get("ChangeSetId") != change_set.id]
            if state is not None and state.status == "REVIEW_IN_PROGRESS" and not waiting:
                self._client.delete_stack(StackName=change_set.stack_id)

    def execute(self, change_set: ChangeSet) -> Operation:
        """Begin to apply it; `follow` tells what comes of it."""
        operation = self._operation(change_set.stack_id)
        with aws_errors(f"change the stack {self.name}"):
            self._client.execute_change_set(
                ChangeSetName=change_set.id,
                StackName=change_set.stack_id,
                ClientRequestToken=uuid.uuid4().hex,  # so that a retry by the SDK does nothing twice
                # A failed first deployment takes its bucket, which is still empty, back with it.
                **({"RetainExceptOnCreate": True} if change_set.creates else {}),
            )
        return operation

    def delete(self, state: StackState) -> Operation:
        """Begin to delete it; `follow` tells what comes of it."""
        operation = self._operation(state.id)
        with aws_errors(f"delete the stack {self.name}"):
            self._client.delete_stack(StackName=state.id, ClientRequestToken=uuid.uuid4().hex)
        return operation

    def finish_rollback(self, state: StackState, skipped: Collection[str]) -> Operation:
        """Go on with a roll-back that failed; `skipped`: the resources that are not rolled back, by logical id."""
        operation = self._operation(state.id)
        with aws_errors(f"go on rolling back the stack {self.name}"):
            self._client.continue_update_rollback(
                StackName=state.id, ResourcesToSkip=sorted(skipped), ClientRequestToken=uuid.uuid4().hex
            )
        return operation

    def _operation(self, stack_id: str) -> Operation:
        return Operation(stack_id, frozenset(event.id for event in self._events_since(stack_id, set())))

    def follow(self, operation: Operation, on_event: OnEvent) -> tuple[StackState, list[StackEvent]]:
        """Hand every event to `on_event` until the stack is done; its state then, and all that happened."""
        stack_id, seen = operation.stack_id, set(operation.before)
        pause, happened = _FIRST_PAUSE, list[StackEvent]()
        for look in count():
            # The state first: events that come between the two calls are seen, and none is missed at the end.
            state = self.describe(stack_id) or StackState(stack_id, "DELETE_COMPLETE")
            fresh = self._events_since(stack_id, seen)
            for event in fresh:
                seen.add(event.id)
                on_event(event)
            happened += fresh
            # Right after the call the old state may still be told: an event of the stack itself proves the new one.
            if state.settled and (look >= _PATIENCE or state.gone or any(event.of_stack for event in happened)):
                return state, happened
            pause = _FIRST_PAUSE if fresh else min(pause * 1.5, _LONGEST_PAUSE)
            self._sleep(pause)
        raise AssertionError  # count() does not end

    def _events_since(self, stack_id: str, seen: set[str]) -> list[StackEvent]:
        """The events that are not in `seen`, the oldest first; none for a stack that is gone without a trace."""
        from botocore.exceptions import ClientError

        fresh: list[StackEvent] = []
        with aws_errors(f"follow the stack {self.name}"):
            try:
                for page in self._client.get_paginator("describe_stack_events").paginate(StackName=stack_id):
                    events = [StackEvent.decode(event) for event in page["StackEvents"]]  # the newest first
                    fresh += [event for event in events if event.id not in seen]
                    if any(event.id in seen for event in events):
                        break
            except ClientError as error:
                if not is_missing_stack(error):
                    raise
        return fresh[::-1]


def _state(stack: Any) -> StackState:
    return StackState(
        id=stack["StackId"],
        status=stack["StackStatus"],
        reason=stack.get("StackStatusReason", ""),
        description=stack.get("Description", ""),
        parameters={entry["ParameterKey"]: entry.get("ParameterValue", "") for entry in stack.get("Parameters", ())},
        outputs={entry["OutputKey"]: entry["OutputValue"] for entry in stack.get("Outputs", ())},
        tags={entry["Key"]: entry["Value"] for entry in stack.get("Tags", ())},
        updated_at=(stack.get("LastUpdatedTime") or stack["CreationTime"]).timestamp(),
    )
