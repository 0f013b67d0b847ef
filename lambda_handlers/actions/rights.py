"""The rights that a caller needs for each action: to the database of the action, and to those that its arguments name.

An action without an entry is for operators alone, and for a function that may write.
"""

from __future__ import annotations

from lambda_handlers.caller import Caller
from lambda_handlers.database.errors import only_reads
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire import Action, SldbError


@dataclass(frozen=True, slots=True)
class Needs:
    uses_database: bool = True  # false: the action itself leaves out what the caller may not read
    writes: bool = False  # to the database
    writes_to: str | None = None  # the argument with the name of a further database that it writes to
    puts_mark: bool = False  # into the store, beside the databases
    is_operators: bool = False  # for operators alone

    @property
    def puts_anything(self) -> bool:
        """True if the action may write to the store."""
        return self.writes or self.writes_to is not None or self.puts_mark


_READS, _WRITES = Needs(), Needs(writes=True)
_FILES = Needs(writes=True, is_operators=True)  # a function that only reads has none of these

NEEDS: dict[str, Needs] = {
    "branch": Needs(writes_to="as"),
    "cancel": Needs(puts_mark=True),  # for requests of this caller (`arguments.sender`), as `result`
    "create_database": _WRITES,
    "databases": Needs(uses_database=False),
    "describe": _READS,
    "drop_database": _WRITES,
    "file_create": _FILES,
    "file_list": _FILES,
    "file_names": _FILES,
    "file_read": _FILES,
    "history": _READS,
    "pull": _READS,
    "pull_part": _READS,
    "pull_urls": _READS,
    "push_begin": _WRITES,
    "push_commit": _WRITES,
    "push_part": _WRITES,
    "push_urls": _WRITES,
    "redo": _WRITES,
    "rename_database": Needs(writes=True, writes_to="to"),
    "restore": _WRITES,
    "result": _READS,
    "rows": _READS,
    "set_database": _WRITES,
    "undo": _WRITES,
}


def check(caller: Caller, action: Action) -> None:
    """Raise `forbidden` unless the caller has the rights that the action needs."""
    needs = NEEDS.get(action.name)
    if needs is None or needs.is_operators:
        caller.require_operator(f"the action {action.name}")
        return
    if needs.uses_database:
        caller.require(action.database, writes=needs.writes)
    target = action.arguments.get(needs.writes_to) if needs.writes_to else None
    if isinstance(target, str):  # the action refuses anything else
        caller.require(target, writes=True)


def check_reads(action: Action, moving_to: str = "") -> None:
    """Raise `read_only` for an action that may write, in a function that only reads. `moving_to`: as in Settings."""
    needs = NEEDS.get(action.name)
    if needs is None or needs.puts_anything:
        error = only_reads(f"the action {action.name}", moving_to)
        raise _for_cancel(error) if needs and needs.puts_mark and not moving_to else error


def _for_cancel(error: SldbError) -> SldbError:
    error.hint = "send it to the query function of the stack: its marks stop the requests of this function, too"
    return error
