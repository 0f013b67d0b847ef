"""The actions: name → the module and the function for it, imported at the first request for it: a cold start for a
query imports none of them.

An action takes the context and the `Action`, checks its arguments (`bad_request`), and returns JSON values. If it
writes, it does so with the same lock and the same conditional commit as SQL, and may be repeated: a client without an
answer sends it again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeAlias

from lambda_handlers.actions.context import ActionContext
from lambda_handlers.caller import Caller
from lambda_handlers.resources import Resources
from lambda_handlers.settings import Settings
from lambda_handlers.wire import Action, bad_request

Run: TypeAlias = Callable[[ActionContext, Action], dict[str, Any]]

ACTIONS: dict[str, str] = {
    "branch": "lambda_handlers.actions.branch:branch",
    "cancel": "lambda_handlers.actions.cancel:cancel",
    "create_database": "lambda_handlers.actions.create_database:create_database",
    "databases": "lambda_handlers.actions.databases:databases",
    "describe": "lambda_handlers.actions.statements.describe:describe",
    "drop_database": "lambda_handlers.actions.drop_database:drop_database",
    "file_create": "lambda_handlers.actions.transfer.files:file_create",
    "file_list": "lambda_handlers.actions.transfer.files:file_list",
    "file_names": "lambda_handlers.actions.transfer.files:file_names",
    "file_read": "lambda_handlers.actions.transfer.files:file_read",
    "history": "lambda_handlers.actions.past.history:history",
    "pull": "lambda_handlers.actions.transfer.pull:pull",
    "pull_part": "lambda_handlers.actions.transfer.files:pull_part",
    "pull_urls": "lambda_handlers.actions.transfer.pull:pull_urls",
    "push_begin": "lambda_handlers.actions.transfer.push:push_begin",
    "push_commit": "lambda_handlers.actions.transfer.push:push_commit",
    "push_part": "lambda_handlers.actions.transfer.files:push_part",
    "push_urls": "lambda_handlers.actions.transfer.push:push_urls",
    "redo": "lambda_handlers.actions.past.undo:redo",
    "rename_database": "lambda_handlers.actions.rename_database:rename_database",
    "result": "lambda_handlers.actions.result:result",
    "restore": "lambda_handlers.actions.past.restore:restore",
    "rows": "lambda_handlers.actions.transfer.rows:rows",
    "set_database": "lambda_handlers.actions.create_database:set_database",
    "undo": "lambda_handlers.actions.past.undo:undo",
}
# What an action does at once, before its turn in the container and without databases: it is about a running request.
AT_ONCE: dict[str, str] = {"cancel": "lambda_handlers.actions.cancel:mark"}


def find(name: str) -> Run:
    """Import and return the function of an action. Raises `bad_request` for an unknown name."""
    if name not in ACTIONS:
        bad_request("action", name, f"one of {', '.join(sorted(ACTIONS))}")
    run: Run = _imported(ACTIONS[name])
    return run


def check_rights(caller: Caller, action: Action, settings: Settings) -> None:
    """Raise `forbidden` unless the caller has the rights that the action needs, `read_only` for an action that writes
    in a function that only reads."""
    if settings.only_reads(action.name):
        from lambda_handlers.actions import rights

        rights.check_reads(action, settings.moving_to)
    if not caller.is_operator:
        from lambda_handlers.actions import rights  # a cold start for an operator does not need them

        rights.check(caller, action)


def run_at_once(resources: Resources, action: Action, caller: Caller) -> None:
    """Run the part of an action that is done before its turn, if it has one. Raises SldbError."""
    if action.name in AT_ONCE:
        _imported(AT_ONCE[action.name])(resources, action, caller)


def _imported(place: str) -> Any:
    module, _, function = place.partition(":")
    return getattr(importlib.import_module(module), function)
