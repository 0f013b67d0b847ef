"""The stacks of the account, including the deleted ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sldb.emulator.calls.errors import AwsError
from sldb.emulator.cloudformation.stack import ChangeSet, Stack
from sldb.emulator.cloudformation.template import invalid

_FAILED = {"CREATE": "CREATE_FAILED", "DELETE": "DELETE_FAILED", "ROLLBACK": "ROLLBACK_FAILED"}


class Stacks:
    def __init__(self) -> None:
        self._by_id: dict[str, Stack] = {}

    def end_interrupted(self) -> None:
        """Let the operations that ended with an earlier process fail: deploy and destroy go on from there."""
        for stack in self._by_id.values():
            if stack.busy:
                done, is_done, _ = stack.status.partition("_CLEANUP_IN_PROGRESS")
                failed = _FAILED.get(stack.status.partition("_")[0], "UPDATE_ROLLBACK_FAILED")
                stack.become(done if is_done else failed, "The emulator ended meanwhile")
            for change_set in stack.change_sets.values():
                if change_set.execution_status == "EXECUTE_IN_PROGRESS":
                    change_set.execution_status = "EXECUTE_FAILED"

    def add(self, stack: Stack) -> None:
        self._by_id[stack.id] = stack

    def of_region(self, region: str) -> list[Stack]:
        return [stack for stack in self._by_id.values() if stack.region == region]

    def live(self, region: str, name_or_id: str) -> Stack | None:
        """Return the stack with that name or id, None if there is none or it is deleted."""
        return next(
            (
                each
                for each in self._by_id.values()
                if each.region == region and each.deleted_at is None and name_or_id in (each.name, each.id)
            ),
            None,
        )

    def existing(self, region: str, name_or_id: str) -> Stack:
        """Return the stack with that name or id; a deleted one is found by its id. Raises AwsError if there is none."""
        found = self._by_id.get(name_or_id) or self.live(region, name_or_id)
        if found is None:
            raise invalid(f"Stack with id {name_or_id} does not exist")
        return found

    def change_set(self, region: str, given: Mapping[str, Any]) -> tuple[Stack, ChangeSet]:
        name = given["ChangeSetName"]
        stacks = [self.existing(region, given["StackName"])] if "StackName" in given else list(self._by_id.values())
        for stack in stacks:
            for change_set in stack.change_sets.values():
                if name in (change_set.id, change_set.name):
                    return stack, change_set
        raise AwsError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)
