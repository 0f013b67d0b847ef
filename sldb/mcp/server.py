"""The protocol's side: what the tools and resources are called, what assistants are told of them, and errors.

Assistants read the descriptions of tools and of arguments: they say what to do with an answer. Needs the extra `mcp`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, ParamSpec, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from lambda_handlers.wire import SldbError
from sldb import __version__
from sldb.mcp.tools import DEFAULT_ROWS, MAX_ROWS, Tools

P = ParamSpec("P")
R = TypeVar("R")

READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)

Sql = Annotated[str, Field(description="SQLite's SQL. Values belong into params, with ? or :name in the SQL.")]
Params = Annotated[
    "list[Any] | dict[str, Any] | None",
    Field(description='Values: a list for ?, an object for :name. Bytes are {"$blob": "<base64>"}.'),
]
At = Annotated[
    "int | str | None",
    Field(description="A moment of the past: a txid, or an RFC 3339 time with its zone. Left out: now."),
]
Limit = Annotated[
    int, Field(description="The most rows to return; row_count says how many there are.", ge=1, le=MAX_ROWS)
]
Message = Annotated["str | None", Field(description="Why: shown in the history.")]
IfTxid = Annotated["int | None", Field(description="Write only if this is still the newest txid, as preview gave it.")]
MayDestroy = Annotated[
    bool, Field(description="True after a person has confirmed the loss of rows, tables or columns that preview shows.")
]

INSTRUCTIONS = """A SQLite database, {where}. Read its schema before you write SQL. Each answer has the txid of the
state that it shows; `at` reads an earlier one."""
READ_ONLY = " This server only reads: preview shows what a write would do, and a person runs it with `sldb query`."
MAY_WRITE = (
    " Preview each write, show what it changes, and pass the previewed txid as if_txid. `sldb undo` reverts one."
)


def make_server(tools: Tools, *, allows_writes: bool) -> MCPServer:
    server = MCPServer(
        "sldb",
        title="sldb",
        version=__version__,
        instructions=INSTRUCTIONS.format(where=tools.client.where) + (MAY_WRITE if allows_writes else READ_ONLY),
        log_level="WARNING",
        subscriptions=False,
    )
    _add_reading(server, tools)
    _add_resources(server, tools)
    if allows_writes:
        _add_writing(server, tools)
    return server


def _add_reading(server: MCPServer, tools: Tools) -> None:
    def tool(description: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
        return _tool(server, description, READS)

    @tool("Run one or more SQL statements that read, and return the rows of the last.")
    def query(sql: Sql, params: Params = None, at: At = None, limit: Limit = DEFAULT_ROWS) -> dict[str, Any]:
        return tools.query(sql, params, at, limit)

    @tool("Show the CREATE statements of all tables, indexes, views and triggers.")
    def schema(at: At = None) -> str:
        return tools.schema(at)

    @tool("Show the columns, indexes and foreign keys of one table or view.")
    def describe_table(name: str, at: At = None) -> dict[str, Any]:
        return tools.table(name, at)

    @tool("Show how SQLite would run a statement, and which indexes would spare it reading whole tables.")
    def explain(sql: Sql) -> dict[str, Any]:
        return tools.explain(sql)

    @tool("Run SQL that writes, take it back, and show how many rows it would change, and what it would destroy.")
    def preview(sql: Sql, params: Params = None, at: At = None) -> dict[str, Any]:
        return tools.preview(sql, params, at)

    @tool("List the newest transactions: when, by whom, why, and how many rows of which tables.")
    def history(limit: Limit = 20) -> list[dict[str, Any]]:
        return tools.history(limit)


def _add_writing(server: MCPServer, tools: Tools) -> None:
    @_tool(server, "Run SQL that writes, in one transaction: all of it or nothing.", WRITES)
    def write(
        sql: Sql,
        params: Params = None,
        message: Message = None,
        if_txid: IfTxid = None,
        may_destroy: MayDestroy = False,
    ) -> dict[str, Any]:
        return tools.write(sql, params, message, if_txid, may_destroy)


def _add_resources(server: MCPServer, tools: Tools) -> None:
    @server.resource("sldb://schema", title="Schema", description="All CREATE statements.", mime_type="application/sql")
    @_refusing_with(ResourceError)
    def schema() -> str:
        return tools.schema()

    @server.resource(
        "sldb://schema/{table}",
        title="Table",
        description="Columns, indexes and foreign keys of a table.",
        mime_type="application/json",
    )
    @_refusing_with(ResourceError)
    def table(table: str) -> dict[str, Any]:
        return tools.table(table)


def _tool(
    server: MCPServer, description: str, annotations: ToolAnnotations
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    def add(function: Callable[P, R]) -> Callable[P, R]:
        refusing = _refusing_with(ToolError)(function)
        server.add_tool(refusing, description=description, annotations=annotations)
        return refusing

    return add


def _refusing_with(kind: type[Exception]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Turn a SldbError into the protocol's error, which an assistant reads: with its code, hint and details."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def refusing(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except SldbError as error:
                raise kind(_text(error)) from error

        return refusing

    return decorate


def _text(error: SldbError) -> str:
    lines = [f"{error.message} [{error.code}]"]
    lines += [f"hint: {error.hint}"] if error.hint else []
    lines += [f"destroys: {each['message']}" for each in error.details.get("destroys", ())]
    return "\n".join(lines)
