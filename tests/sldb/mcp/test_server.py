"""The server, as an assistant's program speaks with it: the public client of the protocol, in this process and by the
command's standard input and output."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from mcp import Client as Assistant
from mcp.client.stdio import StdioServerParameters

from sldb.client import Client
from sldb.mcp.server import make_server
from sldb.mcp.tools import Tools
from sldb.targets.local import LocalTarget

T = TypeVar("T")

READING = {"query", "schema", "describe_table", "explain", "preview", "history"}


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Tools]:
    target = LocalTarget(tmp_path)
    made = Tools(Client(target))
    made.write("CREATE TABLE t (a)")
    yield made
    target.close()


def ask(server: Any, question: Callable[[Assistant], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Assistant(server) as assistant:
            return await question(assistant)

    return asyncio.run(run())


def call(server: Any, name: str, **arguments: Any) -> Any:
    return ask(server, lambda assistant: assistant.call_tool(name, arguments))


def test_tools_that_write_are_offered_only_where_they_are_allowed(tools: Tools) -> None:
    offered = ask(make_server(tools, allows_writes=False), lambda assistant: assistant.list_tools()).tools
    assert {tool.name for tool in offered} == READING
    assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in offered)
    allowed = ask(make_server(tools, allows_writes=True), lambda assistant: assistant.list_tools()).tools
    (writing,) = [tool for tool in allowed if tool.name not in READING]
    assert writing.name == "write"
    assert writing.annotations is not None
    assert writing.annotations.destructive_hint


def test_arguments_are_described(tools: Tools) -> None:
    for tool in ask(make_server(tools, allows_writes=True), lambda assistant: assistant.list_tools()).tools:
        assert tool.description
        for name, told in tool.input_schema.get("properties", {}).items():
            assert name in ("name", "limit") or told.get("description"), f"{tool.name}: {name}"


def test_an_answer_has_its_values_for_programs(tools: Tools) -> None:
    answer = call(make_server(tools, allows_writes=False), "query", sql="SELECT ? + 1 AS n", params=[41])
    assert not answer.is_error
    assert answer.structured_content["rows"] == [[42]]


def test_an_error_says_its_code_and_what_to_do(tools: Tools) -> None:
    server = make_server(tools, allows_writes=True)
    missing = call(server, "query", sql="SELECT * FROM tt")
    assert missing.is_error
    assert "no such table: tt" in missing.content[0].text
    assert "[sql_error]" in missing.content[0].text
    call(server, "write", sql="INSERT INTO t VALUES (1)")
    refused = call(server, "write", sql="DELETE FROM t")
    assert "[unconfirmed]" in refused.content[0].text
    assert "destroys: " in refused.content[0].text


def test_a_tool_that_writes_cannot_be_called_where_it_is_not_offered(tools: Tools) -> None:
    assert call(make_server(tools, allows_writes=False), "write", sql="INSERT INTO t VALUES (1)").is_error
    assert tools.query("SELECT count(*) FROM t")["rows"] == [[0]]


def test_resources_have_the_schema(tools: Tools) -> None:
    server = make_server(tools, allows_writes=False)
    listed = ask(server, lambda assistant: assistant.list_resources()).resources
    assert [str(resource.uri) for resource in listed] == ["sldb://schema"]
    whole = ask(server, lambda assistant: assistant.read_resource("sldb://schema")).contents[0]
    assert whole.text == "CREATE TABLE t (a);\n"  # type: ignore[union-attr]
    table = ask(server, lambda assistant: assistant.read_resource("sldb://schema/t")).contents[0]
    assert '"name": "a"' in table.text  # type: ignore[union-attr]


@pytest.mark.long
def test_the_command_speaks_the_protocol_and_nothing_else(tmp_path: Path) -> None:
    """Whatever else it printed to its standard output would end the conversation."""
    arguments = ["-m", "sldb", "--local", str(tmp_path), "mcp", "--allow-writes"]
    server = StdioServerParameters(command=sys.executable, args=arguments)

    async def talk(assistant: Assistant) -> list[Any]:
        made = await assistant.call_tool("write", {"sql": "CREATE TABLE pets (name)", "message": "begin"})
        return [made, await assistant.call_tool("history", {})]

    made, history = ask(server, talk)
    assert not made.is_error, made.content
    assert "begin" in history.content[0].text
