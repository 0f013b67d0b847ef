"""`connect`: a connection to a database over any target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import DEFAULT_DATABASE, SldbError, bad_request
from lambda_handlers.wire.note import Note
from sldb.aws.options import AwsOptions
from sldb.client import Client, open_target
from sldb.database_creation import DatabaseCreation
from sldb.dbapi.connection import Connection
from sldb.dbapi.errors import exception_of

if TYPE_CHECKING:
    from sldb.targets.protocol import Target

COMMAND = "python"  # in the notes of transactions


def connect(
    target: str = "lambda",
    database: str = DEFAULT_DATABASE,
    token: str | None = None,
    *,
    stack: str | None = None,
    profile: str | None = None,
    region: str | None = None,
    create: bool = False,
    message: str | None = None,
    **options: Any,
) -> Connection:
    """Return a connection. Nothing is sent before the first statement.

    `target`: `lambda`, `lambda:NAME`, `local`, `local:DIR` or `https://…` (docs/interface.md). `token`: of an HTTP
    interface; None: SLDB_TOKEN or SLDB_API_KEY, or that of the keyring. `create`: a missing database is
    created; `main` is by its first write, in any case. `message`: the reason of the writes, for the history. `options`:
    see Connection. Raises ProgrammingError for an impossible target.
    """
    given: dict[str, Any] = {"stack": stack, "profile": profile, "region": region, "create": create}
    return connect_by(lambda _: None, target, database, token, message=message, **given, **options)


def connect_by(
    prepare: Callable[[Target], None],
    target: str,
    database: str,
    token: str | None,
    *,
    stack: str | None = None,
    profile: str | None = None,
    region: str | None = None,
    create: bool = False,
    message: str | None = None,
    **options: Any,
) -> Connection:
    """Return a connection by a target that was prepared."""
    aws = AwsOptions(profile, region)
    try:
        opened = _open(target, token, stack, aws)
        prepare(opened)
        directory = Path(target.partition(":")[2]) if target.startswith("local:") else None
        creation = DatabaseCreation(is_allowed=create, directory=directory)
        client = Client(opened, database, creation, note=Note(message, COMMAND))
    except SldbError as error:
        raise exception_of(error) from error
    return Connection(client, create=create, on_close=opened.close, **options)


def _open(target: str, token: str | None, stack: str | None, aws: AwsOptions) -> Target:
    if token is None:
        return open_target(target, aws, stack)
    if not target.startswith(("https://", "http://")):
        bad_request("token", "one", f"none beside the target {target}: it is for an HTTP interface")
    from sldb.destination import checked_url
    from sldb.targets.http_auth import TOKEN, HttpAuth
    from sldb.targets.https import HttpsTarget

    return HttpsTarget(checked_url(target), HttpAuth(TOKEN.name, token), aws)
