"""The engine: creates, updates and deletes the resources of a stack in order, and rolls back if one fails.

A failed creation or update rolls back: new resources are deleted, changed ones are changed back, and the stack ends
in ROLLBACK_COMPLETE or UPDATE_ROLLBACK_COMPLETE. Replaced and unwanted resources are removed only after everything
else has succeeded. Every step is an event, as in AWS.

Runs in threads of its own. `lock` guards the stack; it is never held during the calls of a resource.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, NoReturn

from sldb.emulator.calls.errors import AwsError
from sldb.emulator.cloudformation.failures import Failed, not_there, reason_of
from sldb.emulator.cloudformation.plan import difference
from sldb.emulator.cloudformation.resources import TYPES
from sldb.emulator.cloudformation.resources.base import Cloud, Existing, New
from sldb.emulator.cloudformation.stack import Resource, Stack, Step, now
from sldb.emulator.cloudformation.target import Known, Target

_logger = logging.getLogger(__name__)


class Operation:
    """A creation, update or deletion of one stack."""

    def __init__(self, stack: Stack, cloud: Cloud, lock: AbstractContextManager[object]) -> None:
        self._stack = stack
        self._cloud = cloud
        self._lock = lock
        self._steps: list[Step] = []
        self._actual: Mapping[str, Any] = {}

    def apply(
        self,
        target: Target,
        *,
        creates: bool,
        retain_except_on_create: bool,
        done: Callable[[bool], None],
        actual: Mapping[str, Any],
    ) -> None:
        """Create or update the stack, and call `done` with True for success.

        `actual`: the properties found by a drift-aware change set.
        """
        self._actual = actual
        verb = "CREATE" if creates else "UPDATE"
        try:
            for name in target.order:
                self._apply_resource(name, target)
            outputs = target.outputs(self._known())
        except Failed as failure:
            done(False)
            words = "create" if creates else "update"
            reason = f"The following resource(s) failed to {words}: [{failure.logical_id}]. "
            self._roll_back(creates, reason, retain_except_on_create)
            return
        except AwsError as error:  # an output that cannot be evaluated
            done(False)
            self._roll_back(creates, error.message, retain_except_on_create)
            return
        with self._lock:
            self._stack.target, self._stack.outputs = target, outputs
        self._clean_up(target, creates)
        self._become(f"{verb}_COMPLETE")
        done(True)

    def delete(self, retained: Collection[str]) -> None:
        """Remove the stack's resources. If one cannot be removed, the stack ends in DELETE_FAILED."""
        failed = []
        for name in reversed(self._removal_order()):
            resource = self._stack.resources[name]
            if name in retained or resource.deletion_policy.startswith("Retain"):
                self._report(resource, "DELETE_SKIPPED")
                self._forget(name)
                continue
            try:
                self._delete(resource)
            except Failed:
                failed.append(name)
                continue
            self._forget(name)
        if failed:
            self._become("DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}]. ")
            return
        with self._lock:
            self._stack.deleted_at = now()
            self._stack.outputs = []
        self._become("DELETE_COMPLETE")

    def _apply_resource(self, name: str, target: Target) -> None:
        """Create, replace, update or keep one resource, as the target wants it."""
        old = self._stack.resources.get(name)
        definition = target.template.resources[name]
        resource_type = definition["Type"]
        try:
            properties = target.properties(name, self._known())
        except AwsError as error:
            self._fail(name, resource_type, "CREATE" if old is None else "UPDATE", "", error)
        policies = {
            "deletion_policy": definition.get("DeletionPolicy", "Delete"),
            "replace_policy": definition.get("UpdateReplacePolicy", "Delete"),
        }
        if old is None:
            self._create(name, resource_type, properties, policies)
            return
        if name in self._actual:
            if self._actual[name] is None:
                self._create(name, resource_type, properties, policies, verb="UPDATE")
                return
            old = replace(old, properties=self._actual[name])
        changed = difference(old.properties, properties)
        if not changed:
            self._keep(Resource(name, old.type, old.physical_id, old.properties, old.attributes, **policies))
        elif TYPES[resource_type].replaces.intersection(changed):
            self._replace(old, properties, policies)
        else:
            self._update(old, properties, policies)

    def _create(
        self,
        name: str,
        resource_type: str,
        properties: dict[str, Any],
        policies: dict[str, str],
        *,
        verb: str = "CREATE",
    ) -> None:
        before = self._stack.resources.get(name)
        self._event(name, resource_type, f"{verb}_IN_PROGRESS")
        physical_id = ""

        def made(new_id: str) -> None:
            nonlocal physical_id
            physical_id = new_id
            resource = Resource(name, resource_type, new_id, properties, {}, **policies)
            self._steps.append(Step(name, before, resource))
            self._keep(resource)
            if verb == "CREATE":
                self._event(name, resource_type, "CREATE_IN_PROGRESS", new_id, "Resource creation Initiated")

        handler = TYPES[resource_type]
        try:
            handler.create(New(self._cloud, self._stack.name, name, properties, made))
            attributes = handler.attributes(Existing(self._cloud, physical_id, properties))
        except Exception as error:  # noqa: BLE001  # whatever it is, the stack must end in a state, and say why
            self._fail(name, resource_type, verb, physical_id, error)
        self._keep(Resource(name, resource_type, physical_id, properties, attributes, **policies))
        self._event(name, resource_type, f"{verb}_COMPLETE", physical_id)

    def _replace(self, old: Resource, properties: dict[str, Any], policies: dict[str, str]) -> None:
        named_by = TYPES[old.type].named_by
        if named_by and named_by in properties and properties[named_by] == old.properties.get(named_by):
            message = (
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {old.physical_id} and update the stack again."
            )
            self._fail(old.logical_id, old.type, "UPDATE", old.physical_id, AwsError("ValidationError", message))
        self._create(old.logical_id, old.type, properties, policies, verb="UPDATE")

    def _update(self, old: Resource, properties: dict[str, Any], policies: dict[str, str]) -> None:
        self._report(old, "UPDATE_IN_PROGRESS")
        handler = TYPES[old.type]
        # A change that fails half-way has to be undone, too.
        wanted = Resource(old.logical_id, old.type, old.physical_id, properties, old.attributes, **policies)
        self._steps.append(Step(old.logical_id, old, wanted))
        if handler.actual(self._existing(old)) is None:
            self._fail(old.logical_id, old.type, "UPDATE", old.physical_id, not_there(old))
        try:
            handler.update(self._existing(old), properties)
            attributes = handler.attributes(self._existing(wanted))
        except Exception as error:  # noqa: BLE001  # as in _create
            self._fail(old.logical_id, old.type, "UPDATE", old.physical_id, error)
        self._keep(Resource(old.logical_id, old.type, old.physical_id, properties, attributes, **policies))
        self._report(old, "UPDATE_COMPLETE")

    def _delete(self, resource: Resource) -> None:
        self._report(resource, "DELETE_IN_PROGRESS")
        try:
            TYPES[resource.type].delete(self._existing(resource))
        except Exception as error:  # noqa: BLE001  # as in _create
            self._fail(resource.logical_id, resource.type, "DELETE", resource.physical_id, error)
        self._report(resource, "DELETE_COMPLETE")

    def _clean_up(self, target: Target, creates: bool) -> None:
        """Remove replaced resources and those that are no longer in the target. A failure here is only logged."""
        if creates:
            return
        self._become("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        replaced = [(step.before, step.before.replace_policy) for step in self._steps if step.before and step.replaced]
        gone = [each for name, each in self._stack.resources.items() if name not in target.order]
        for resource, kept in (*replaced, *((each, each.deletion_policy) for each in reversed(gone))):
            if kept.startswith("Retain"):
                self._report(resource, "DELETE_SKIPPED")
            else:
                try:
                    self._delete(resource)
                except Failed:
                    _logger.warning("%s: %s was left behind", self._stack.name, resource.physical_id)
        for resource in gone:
            self._forget(resource.logical_id)

    def _roll_back(self, creates: bool, reason: str, retain_except_on_create: bool) -> None:
        prefix = "" if creates else "UPDATE_"
        self._become(f"{prefix}ROLLBACK_IN_PROGRESS", reason + ("Rollback requested by user." if creates else ""))
        self._undo_all(self._steps[::-1], creates, retain_except_on_create)

    def continue_roll_back(self, skipped: Collection[str]) -> None:
        """Undo the steps that failed in a roll-back, without those of the skipped resources."""
        self._become("UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
        for step in self._stack.stuck:
            if step.logical_id in skipped:
                self._keep(step.before or step.after)
                self._report(step.after, "UPDATE_COMPLETE")
        steps = [step for step in self._stack.stuck if step.logical_id not in skipped]
        self._undo_all(steps, creates=False, retain_except_on_create=False)

    def _undo_all(self, steps: Collection[Step], creates: bool, retain_except_on_create: bool) -> None:
        prefix = "" if creates else "UPDATE_"
        failed = []
        for step in steps:
            try:
                self._undo(step, retain_except_on_create)
            except Failed:
                failed.append(step)
        with self._lock:
            self._stack.stuck = failed
        if failed:
            names = ", ".join(step.logical_id for step in failed)
            words = f"The following resource(s) failed to {'delete' if creates else 'update'}: [{names}]. "
            self._become(f"{prefix}ROLLBACK_FAILED", words)
            return
        if not creates:
            self._become("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self._become(f"{prefix}ROLLBACK_COMPLETE")

    def _undo(self, step: Step, retain_except_on_create: bool) -> None:
        if step.before is not None and not step.replaced:
            self._revert(step.before, step.after)
            return
        policy = step.after.deletion_policy
        kept = policy == "Retain" and not retain_except_on_create
        if kept:
            self._report(step.after, "DELETE_SKIPPED")
        else:
            self._delete(step.after)
        if step.before is None:
            self._forget(step.logical_id)
        else:
            self._keep(step.before)

    def _revert(self, before: Resource, after: Resource) -> None:
        self._report(before, "UPDATE_IN_PROGRESS")
        if TYPES[before.type].actual(self._existing(after)) is None:
            self._fail(before.logical_id, before.type, "UPDATE", before.physical_id, not_there(after))
        try:
            TYPES[before.type].update(self._existing(after), before.properties)
        except Exception as error:  # noqa: BLE001  # as in _create
            self._fail(before.logical_id, before.type, "UPDATE", before.physical_id, error)
        self._keep(before)
        self._report(before, "UPDATE_COMPLETE")

    def _removal_order(self) -> list[str]:
        """Return the names of the stack's resources, each after its dependencies."""
        target = self._stack.target
        ordered = [name for name in (target.template.order if target else ()) if name in self._stack.resources]
        return ordered + [name for name in self._stack.resources if name not in ordered]

    def _existing(self, resource: Resource) -> Existing:
        return Existing(self._cloud, resource.physical_id, resource.properties)

    def _known(self) -> dict[str, Known]:
        return {name: resource.known for name, resource in self._stack.resources.items()}

    def _keep(self, resource: Resource) -> None:
        with self._lock:
            self._stack.resources[resource.logical_id] = resource

    def _forget(self, logical_id: str) -> None:
        with self._lock:
            self._stack.resources.pop(logical_id, None)

    def _become(self, status: str, reason: str = "") -> None:
        with self._lock:
            self._stack.become(status, reason)

    def _report(self, resource: Resource, status: str) -> None:
        self._event(resource.logical_id, resource.type, status, resource.physical_id)

    def _event(self, name: str, resource_type: str, status: str, physical_id: str = "", reason: str = "") -> None:
        with self._lock:
            self._stack.report(name, resource_type, status, physical_id=physical_id, reason=reason)

    def _fail(self, name: str, resource_type: str, verb: str, physical_id: str, error: Exception) -> NoReturn:
        self._event(name, resource_type, f"{verb}_FAILED", physical_id, reason_of(error))
        raise Failed(name) from error
