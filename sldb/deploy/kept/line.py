"""The line of a stack's versions, before a deployment: the live one, the one to go back to, and the next number."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sldb
from lambda_handlers.wire import SldbError
from sldb.deploy.kept.records import Records
from sldb.deploy.kept.version import FORMAT, Version, before, refuse_other_format
from sldb.report import age
from sldb.stack.bucket import Bucket
from sldb.stack.cloudformation import Stack
from sldb.stack.state import StackState


@dataclass(frozen=True, slots=True)
class Line:
    versions: tuple[Version, ...] = ()  # the live one last; none for a new stack
    live_template: str = ""
    goal: Version | None = None  # the one to go back to
    template: str = ""  # of the goal

    @property
    def notes(self) -> Iterator[str]:
        if self.goal:
            yield f"this goes back to version {says(self.goal)}, with its settings; databases and tags stay"

    def next(self, template: str, parameters: Mapping[str, str], caller: str) -> Version:
        """Return the version of a deployment that begins now. `template`: its key."""
        number = self.versions[-1].number + 1 if self.versions else 1
        by = sldb.__version__ if self.goal is None else self.goal.sldb
        made_by = FORMAT if self.goal is None else self.goal.format
        back_to = self.goal.place if self.goal else 0
        return Version(number, template, dict(parameters), by, made_by, time.time(), caller, back_to)


def read_line(stack: Stack, state: StackState | None, bucket: Bucket, rollback: str | None) -> Line:
    """Return the line of a stack. `rollback`: the number of a version, empty for the one before, None to go on. Raises
    SldbError if there is no way back, or if the formats of the data are others than those of the new code."""
    if state is None:
        if rollback is not None:
            raise SldbError("not_found", f"there is no stack {stack.name} to roll back", applied="no")
        return Line()
    live_template = stack.template()
    records = Records(bucket)
    versions = tuple(records.with_live(state, live_template))
    if rollback is None:
        refuse_other_format(versions[-1], FORMAT, f"sldb {sldb.__version__}")
        return Line(versions, live_template)
    goal = before(versions, versions[-1], rollback)
    if not records.has(goal.bundle):
        raise SldbError("not_found", f"the code of version {goal.number}, {goal.bundle}, is gone", applied="no")
    return Line(versions, live_template, goal, records.template(goal))


def says(version: Version) -> str:
    """Return the facts about a version in words."""
    code = f"sldb {version.sldb}" if version.sldb else "an sldb without records"
    return f"{version.number} ({code}, deployed {age(max(0.0, time.time() - version.made_at))} ago)"
