"""A CloudFormation stack: describe, change set, execute, delete, and follow while CloudFormation works.

Only calls and their decoding; `statuses` decides by the state of a stack, `sldb.deploy.display` shows it. Events are
distinguished by their ids: those from before an operation belong to an earlier one.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from sldb.aws.errors import OperationFailed, aws_errors, is_missing_stack
from sldb.aws.polling import Backoff, poll
from sldb.stack.events import StackEvent
from sldb.stack.following import FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS, OnEvent, follow
from sldb.stack.ownership import DESCRIPTION, has_marks, is_ours, not_ours
from sldb.stack.resource_change import Change
from sldb.stack.state import ChangeSet, Operation, StackResource, StackState

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

CHANGE_SET_NAME = re.compile(r"sldb-[0-9a-f]{32}")
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


class Stack:
    def __init__(self, client: CloudFormationClient, name: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._sleep = sleep
        self.name = name

    def describe(self, stack_id: str | None = None) -> StackState | None:
        """Return the state of the stack, None if there is none. A deleted stack is only found by its id."""
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
        """Return the state of the stack, None if there is none. Raises `store_error` if it is not
        sldb's."""
        state = self.describe()
        if state is None or state.gone:
            return None
        if not self.is_ours(state):
            raise not_ours(self.name)
        return state

    def is_ours(self, state: StackState) -> bool:
        """Return True if sldb made the stack, or prepared it. `state`: of the existing stack."""
        if state.status == "REVIEW_IN_PROGRESS":
            return self._has_our_change_sets_only(state)
        return is_ours(self.name, state) or (not state.description and self._has_our_template(state))

    def _has_our_template(self, state: StackState) -> bool:
        """Return True if the template has our marks. Needed for servers without the template's description in the
        response, such as MiniStack."""
        has_parameters = has_marks(state.parameters.keys(), is_marked=True)
        return has_parameters and DESCRIPTION in self.template()

    def _has_our_change_sets_only(self, state: StackState) -> bool:
        """Return True if all prepared changes are ours, for a stack that has nothing yet, and so no description."""
        with aws_errors(f"list the prepared changes of the stack {self.name}"):
            waiting: Any = self._client.list_change_sets(StackName=state.id)["Summaries"]
            return all(self._is_our_change_set(each["ChangeSetName"], state.id) for each in waiting)

    def _is_our_change_set(self, name: str, stack_id: str) -> bool:
        if CHANGE_SET_NAME.fullmatch(name):
            return True
        given: Any = self._client.describe_change_set(ChangeSetName=name, StackName=stack_id).get("Parameters", ())
        template = self._client.get_template(StackName=stack_id, ChangeSetName=name, TemplateStage="Original")
        return has_marks(
            {each["ParameterKey"] for each in given}, is_marked=DESCRIPTION in str(template["TemplateBody"])
        )

    def template(self) -> str:
        with aws_errors(f"read the template of the stack {self.name}"):
            body: Any = self._client.get_template(StackName=self.name, TemplateStage="Original")["TemplateBody"]
        return body if isinstance(body, str) else ""

    def resources(self) -> list[StackResource]:
        """Return the resources, as CloudFormation has them: some may have been deleted by hand."""
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
        template_url: str,
        parameters: Mapping[str, str],
        tags: Mapping[str, str] | None,
        *,
        creates: bool,
        reverts_drift: bool = False,
    ) -> ChangeSet | None:
        """Return a change set, not executed; None if there is nothing to change. `tags`: all tags of the stack; None if
        it has none and had none. With `reverts_drift` CloudFormation compares with the existing resources, creates
        missing ones again, and reverts changes made by hand."""
        more: Any = {"DeploymentMode": "REVERT_DRIFT"} if reverts_drift else {}
        if tags is not None:
            more["Tags"] = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
        with aws_errors(f"prepare the changes of the stack {self.name}"):
            made = self._client.create_change_set(
                StackName=self.name,
                ChangeSetName=f"sldb-{uuid.uuid4().hex}",
                ChangeSetType="CREATE" if creates else "UPDATE",
                TemplateURL=template_url,
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
        """Return the pages of the finished change set, None if it has no changes."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS)
        first = poll(lambda: self._finished(change_set), backoff, self._sleep)
        if first["Status"] == "CREATE_COMPLETE":
            return self._all_pages(change_set, first)
        reason = first.get("StatusReason", "")
        if any(text in reason for text in _NO_CHANGES):
            return None
        self.drop(change_set)
        raise OperationFailed(f"CloudFormation refuses these changes: {reason}")

    def _finished(self, change_set: ChangeSet) -> Any:
        """Return the first page of the change set; None while CloudFormation works on it."""
        page: Any = self._client.describe_change_set(ChangeSetName=change_set.id, StackName=change_set.stack_id)
        return page if page["Status"] in ("CREATE_COMPLETE", "FAILED") else None

    def _all_pages(self, change_set: ChangeSet, page: Any) -> list[Any]:
        pages = [page]
        while token := page.get("NextToken"):
            page = self._client.describe_change_set(
                ChangeSetName=change_set.id, StackName=change_set.stack_id, NextToken=token
            )
            pages.append(page)
        return pages

    def drop(self, change_set: ChangeSet) -> None:
        """Delete a change set without executing it, and the empty stack that was created for it."""
        with aws_errors(f"drop the prepared changes of the stack {self.name}"):
            try:
                self._client.delete_change_set(ChangeSetName=change_set.id, StackName=change_set.stack_id)
            except self._client.exceptions.ChangeSetNotFoundException:
                return  # deleted as another process executed its own: the stack is that one's
            if not change_set.creates:
                return
            state = self.describe(change_set.stack_id)
            others: Any = self._client.list_change_sets(StackName=change_set.stack_id)["Summaries"]
            waiting = [other for other in others if other.get("ChangeSetId") != change_set.id]
            if state is not None and state.status == "REVIEW_IN_PROGRESS" and not waiting:
                self._client.delete_stack(StackName=change_set.stack_id)

    def execute(self, change_set: ChangeSet) -> Operation:
        """Begin to apply a change set; `follow` returns the result."""
        operation = self._operation(change_set.stack_id)
        with aws_errors(f"change the stack {self.name}"):
            self._client.execute_change_set(
                ChangeSetName=change_set.id,
                StackName=change_set.stack_id,
                ClientRequestToken=uuid.uuid4().hex,  # so that a retry by the SDK does nothing twice
                # A failed first deployment deletes its bucket, still empty, in the roll-back.
                **({"RetainExceptOnCreate": True} if change_set.creates else {}),
            )
        return operation

    def delete(self, state: StackState) -> Operation:
        """Begin to delete the stack; `follow` returns the result."""
        operation = self._operation(state.id)
        with aws_errors(f"delete the stack {self.name}"):
            self._client.delete_stack(StackName=state.id, ClientRequestToken=uuid.uuid4().hex)
        return operation

    def finish_rollback(self, state: StackState, skipped: Collection[str]) -> Operation:
        """Begin to continue a failed roll-back. `skipped`: the resources to leave as they are, by logical id."""
        operation = self._operation(state.id)
        with aws_errors(f"continue the roll-back of the stack {self.name}"):
            self._client.continue_update_rollback(
                StackName=state.id, ResourcesToSkip=sorted(skipped), ClientRequestToken=uuid.uuid4().hex
            )
        return operation

    def _operation(self, stack_id: str) -> Operation:
        return Operation(stack_id, frozenset(event.id for event in self.events_since(stack_id, set())))

    def follow(self, operation: Operation, on_event: OnEvent) -> tuple[StackState, list[StackEvent]]:
        """Pass each event to `on_event` until the stack is at rest; return its state then, and all events."""
        return follow(self, operation, on_event, self._sleep)

    def events_since(self, stack_id: str, seen: set[str]) -> list[StackEvent]:
        """Return the events except for those in `seen`, the oldest first; none for a stack without a trace."""
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
