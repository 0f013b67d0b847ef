"""The command `sldb doctor`: the checks of everything below a stack or a directory of databases."""

from __future__ import annotations

import re
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sldb.cli import messages, progress, streams
from sldb.cli.command import command
from sldb.cli.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sldb.doctor.finding import Finding
    from sldb.progress.protocol import Progress

HELP = """Check everything that sldb depends on, and suggest repairs.

In AWS: identity, clock, permissions, quota, the stack, its functions and APIs, a query, conditional writes to the
bucket, locks. With --local: the directory, conditional writes, the disk, a query. With --target https://…: that the
HTTP interface answers, and which databases your token or key may read. With --store: whether a bucket, AWS's or
another's, can hold databases; no stack is needed. Exit status 1 if something fails; what could not be checked is a
warning.

\b
  sldb doctor
  sldb doctor --stack orders --format json
  sldb --local ~/databases doctor
  sldb doctor --store s3://bucket --endpoint http://127.0.0.1:9000
"""
_MARGIN, _LEAST = 19, 20  # columns: before what a finding says, and of that at least
_COLORS = {"ok": "green", "warn": "yellow", "fail": "red"}


@command("doctor", help=HELP, short_help="Check everything that sldb depends on.")
@click.option("--store", metavar="s3://BUCKET[/PREFIX]", help="Check this bucket, and nothing else.")
@click.option("--endpoint", metavar="URL", help="Of another S3 than AWS's. Default: what the AWS settings say.")
def doctor(run: Run, store: str | None, endpoint: str | None) -> int:
    from sldb.render import check_format

    if endpoint and not store:
        raise click.UsageError("--endpoint says where the bucket of --store is: give both")
    if store and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/.*)?", store):
        raise click.BadParameter(f"{store} is not an address like s3://bucket/prefix", param_hint="--store")
    format_name = check_format(run.format)
    found = []
    with progress.show("checking the store" if store else "checking") as shown:
        for seen in _store_findings(run, store, endpoint) if store else _findings(run, shown):
            finding = replace(seen, next=run.complete_commands(seen.next))
            found.append(finding)
            if format_name == "table":
                with progress.hidden():
                    _show(finding)
    if format_name != "table":
        rows = [(each.check, each.state, each.says, each.next or None) for each in found]
        messages.show_rows(format_name, ("check", "state", "says", "next"), rows)
    return 1 if any(each.state == "fail" for each in found) else 0


def _findings(run: Run, shown: Progress) -> Iterator[Finding]:
    given = run.destination.directory
    with closing(run.client()) as client:
        if given is not None:
            from sldb.client import default_directory
            from sldb.doctor import local

            directory = Path(given).expanduser().absolute() if given else default_directory()
            yield from local.findings(directory, client, shown)
            return
        if run.destination.url is not None:
            from sldb.doctor import url

            yield from url.findings(client, shown)
            return
        from sldb.doctor import aws
        from sldb.stack.account import connect

        yield from aws.findings(connect(run.aws), run.stack, client, shown)


def _store_findings(run: Run, address: str, endpoint: str | None) -> Iterator[Finding]:
    from sldb.aws.errors import aws_errors
    from sldb.aws.session import boto3_session
    from sldb.doctor import store

    with aws_errors("use your credentials"):
        session = boto3_session(run.aws)
    yield from store.check_address(address, session, endpoint)


def _show(finding: Finding) -> None:
    from sldb.render.text import escape

    state = click.style(f"{finding.state:<4}", fg=_COLORS[finding.state])
    click.echo(f"{state}  {finding.check:<12} {_folded(escape(finding.says), _MARGIN)}")
    if finding.next:
        click.echo(f"{'':<{_MARGIN}}→ {_folded(escape(finding.next), _MARGIN + 2)}")


def _folded(text: str, margin: int) -> str:
    """Return a text behind a margin, on a terminal in lines broken between words."""
    from sldb.render.text import fold

    if not sys.stdout.isatty():
        return text
    return fold(text, max(streams.terminal_columns() - margin, _LEAST)).replace("\n", "\n" + " " * margin)
