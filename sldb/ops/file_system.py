"""The file system of a stack: its size, and the databases in it, which the query function lists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.state import StackState


def list_databases(account: Account, stack: str, state: StackState) -> list[dict[str, Any]]:
    """Return all databases, the dropped ones too, as the query function lists them. Raises SldbError."""
    event = {"action": "databases", "arguments": {"all": True}, "stack": stack}
    with aws_errors(f"list the databases by {state.function}"):
        answer = account.functions.invoke(FunctionName=state.function, Payload=json.dumps(event).encode())
    reply = json.loads(answer["Payload"].read())
    if reply.get("statusCode") != 200:
        said = reply.get("errorMessage") or reply.get("body", {}).get("error", {}).get("message", "no reply")
        raise SldbError("store_error", f"{state.function} does not list the databases: {said}", "sldb logs shows more")
    found: list[dict[str, Any]] = reply["body"]["databases"]
    return found


def size_of(account: Account, state: StackState) -> int:
    """Return the bytes that AWS meters of the stack's file system: an hour old, say. Raises SldbError."""
    name = state.outputs.get("FileSystem", "")
    with aws_errors(f"look at the file system {name}"):
        [found] = account.efs.describe_file_systems(FileSystemId=name)["FileSystems"]
    return int(found["SizeInBytes"]["Value"])
