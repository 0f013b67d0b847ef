"""The command `sldb status`: the stack, its functions, its locks and the databases."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from sldb.cli import messages, streams
from sldb.cli.command import command
from sldb.cli.run import Run


@command("status")
@click.option("--versions", is_flag=True, help="List the deployments that sldb deploy --rollback can go back to.")
@click.option("--drift", is_flag=True, help="List what was changed by hand; exit status 1 if anything was.")
def status(run: Run, versions: bool, drift: bool) -> int:
    """Show the stack, its functions, locks and databases.

    A lock is shown with its holder and age, a database with its size and newest transaction.

    With --local DIR: the databases in that directory. --format json gives everything as one JSON object.

    \b
      sldb status
      sldb status --stack orders --format json
      sldb status --versions
      sldb status --drift
    """
    as_json = run.table_or_json() == "json"
    directory = run.destination.directory
    if drift:
        return _show_drift(run, as_json=as_json)
    if versions:
        _show_versions(run, as_json=as_json)
    elif directory is not None:
        _show_local(run, directory, as_json=as_json)
    else:
        _show_stack(run, as_json=as_json)
    return 0


def _show_local(run: Run, directory: str, *, as_json: bool) -> None:
    from sldb.client import default_directory

    root = Path(directory) if directory else default_directory()
    with closing(run.client()) as client:
        databases = client.list_databases()
    if as_json:
        click.echo(json.dumps({"directory": str(root), "databases": databases}, indent=2))
        return
    from sldb.ops.status_report import show_databases

    show_databases(databases, streams.data_out())
    _say_problems(databases)


def _say_problems(databases: Iterable[Mapping[str, Any]]) -> None:
    from sldb.actions.databases import problems

    for sentence in problems(databases):
        messages.say(sentence)


def _show_drift(run: Run, *, as_json: bool) -> int:
    from sldb.ops.drift import detect, show_drift
    from sldb.stack.account import connect

    run.refuse_local("status --drift")
    report = detect(connect(run.aws), run.stack, messages.say, time.sleep)
    if as_json:
        click.echo(json.dumps(report.encode(), indent=2))
    else:
        show_drift(report, streams.data_out())
    if report.unchecked:
        messages.say(f"not checked, since CloudFormation cannot: {', '.join(report.unchecked)}")
    if report.problem:
        messages.say(f"not all could be compared: {report.problem}")
    if report.resources:
        messages.say(run.complete_commands("`sldb deploy --repair` brings all of this back to the template"))
    return 1 if report.resources else 0


def _show_versions(run: Run, *, as_json: bool) -> None:
    from sldb.ops.versions import encode, read_versions, show_versions
    from sldb.stack.account import connect

    run.refuse_local("status --versions")
    found = read_versions(connect(run.aws), run.stack)
    if as_json:
        click.echo(json.dumps(encode(found), indent=2))
    else:
        show_versions(found, streams.data_out(), time.time())


def _show_stack(run: Run, *, as_json: bool) -> None:
    from sldb.ops.status import read_status
    from sldb.stack.account import connect

    found = read_status(connect(run.aws), run.stack)
    found = replace(found, health=replace(found.health, next=run.complete_commands(found.health.next)))
    now = time.time()
    if as_json:
        click.echo(json.dumps(found.encode(now), indent=2))
        return
    from sldb.ops.status_report import show_status

    show_status(found, streams.data_out(), now)
    _say_problems(found.databases)
