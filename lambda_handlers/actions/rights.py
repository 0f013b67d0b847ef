"""The rights that a caller needs for each action: to the database of the action, and to those that its arguments name.

An action without an entry is for operators alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambda_handlers.caller import Caller
from lambda_handlers.wire import Action


@dataclass(frozen=True, slots=True)
class Needs:
    uses_database: bool = True  # false: the action itself leaves out what the caller may not read
    writes: bool = False  # to the database
    writes_to: str | None = None  # the argument with the name of a further database that it writes to


_READS, _WRITES = Needs(), Needs(writes=True)

NEEDS: dict[str, Needs] = {
    "branch": Needs(writes_to="as"),
    "cancel": _READS,  # of requests of this caller (`arguments.sender`), as `result`
    "create_database": _WRITES,
    "databases": Needs(uses_database=False),
    "describe": _READS,
    "drop_database": _WRITES,
    "history": _READS,
    "pull": _READS,
    "pull_urls": _READS,
    "push_begin": _WRITES,
    "push_commit": _WRITES,
    "push_urls": _WRITES,
    "redo": _WRITES,
    "rename_database": Needs(writes=True, writes_to="to"),
    "restore": _WRITES,
    "result": _READS,
    "set_database": _WRITES,
    "undo": _WRITES,
}


def check(caller: Caller, action: Action) -> None:
    """Raise `forbidden` unless the caller has the rights that the action needs."""
    needs = NEEDS.get(action.name)
    if needs is None:
        caller.require_operator(f"the action {action.name}")
        return
    if needs.uses_database:
        caller.require(action.database, writes=needs.writes)
    target = action.arguments.get(needs.writes_to) if needs.writes_to else None
    if isinstance(target, str):  # the action refuses anything else
        caller.require(target, writes=True)
