"""describe: what SQLite knows of a statement without running it.

Arguments   query (one statement), transaction (the token of an open one: in its state)
Reply       {"database", "parameters": the name of each, null for one without, "columns": as in a reply, "is_explain",
            "is_readonly": SQLite's own word, true for BEGIN and COMMIT}
"""

from __future__ import annotations

from typing import Any

from lambda_handlers.actions import arguments
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.wire import Action, bad_request


def describe(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "query", "transaction")
    arguments.required(given, ["query"])
    for name, value in given.items():
        if not isinstance(value, str):
            bad_request(f"arguments.{name}", value, "text")
    database = context.database(action.database)
    found = database.describe(given["query"], given.get("transaction"), context.deadline, context.caller)
    return {
        "database": action.database,
        "parameters": [name if name is None or not name.isdecimal() else None for name in found.parameters],
        "columns": [column.encode() for column in found.columns],
        "is_explain": found.is_explain,
        "is_readonly": found.is_readonly,
    }
