"""`sldb status`: the stack, its functions, its locks and the databases."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from lambda_handlers.wire import SldbError
from sldb.cli import streams
from sldb.cli.main import Globals, command


@command("status")
def status(run: Globals) -> None:
    """Show the stack, its functions, who holds a lock, and the databases with their size and newest transaction.

    With --local DIR: the databases in that directory. --format json gives everything as one JSON object.
    """
    if run.format not in ("table", "json"):
        raise SldbError("bad_request", f"--format: got {run.format!r}, want table or json")
    kind, _, rest = run.target.partition(":")
    if kind == "local":
        _show_local(run, rest)
    else:
        _show_stack(run)


def _show_local(run: Globals, directory: str) -> None:
    from dataclasses import asdict

    from sldb.client import default_directory
    from sldb.deploy.databases import DirectoryListing, list_databases

    root = Path(directory) if directory else default_directory()
    databases = list_databases(DirectoryListing(root))
    if run.format == "json":
        click.echo(json.dumps({"directory": str(root), "databases": [asdict(each) for each in databases]}, indent=2))
        return
    from sldb.deploy.report import show_databases

    show_databases(databases, streams.data_out())


def _show_stack(run: Globals) -> None:
    from sldb.deploy.cloud import connect
    from sldb.deploy.status import read_status

    found = read_status(connect(run.aws), run.stack)
    now = time.time()
    if run.format == "json":
        click.echo(json.dumps(found.encode(now), indent=2))
        return
    from sldb.deploy.report import show_status

    show_status(found, streams.data_out(), now)
