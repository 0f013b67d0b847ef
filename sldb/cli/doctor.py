"""`sldb doctor`: does everything work that a stack, or a directory of databases, rests on?"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sldb.cli import outcome
from sldb.cli.main import Globals, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sldb.doctor.finding import Finding

HELP = """Check everything that sldb rests on, and say what to do where something is wrong.

In AWS: identity, clock, permissions, quota, the stack, its functions, a query, conditional writes to the bucket, locks.
With --local: the directory, the disk, a query. Exit status 1 if something fails; what could not be checked is a
warning.

\b
  sldb doctor
  sldb doctor --stack orders --format json
  sldb --local ~/databases doctor
"""
_COLORS = {"ok": "green", "warn": "yellow", "fail": "red"}


@command("doctor", help=HELP, short_help="Check everything that sldb rests on.")
def doctor(run: Globals) -> int:
    from sldb.render import check_format

    format_name = check_format(run.format)
    found = []
    for finding in _findings(run):
        found.append(finding)
        if format_name == "table":
            _show(finding)
    if format_name != "table":
        rows = [(each.check, each.state, each.says, each.next or None) for each in found]
        outcome.show_rows(format_name, ("check", "state", "says", "next"), rows)
    return 1 if any(each.state == "fail" for each in found) else 0


def _findings(run: Globals) -> Iterator[Finding]:
    kind, _, rest = run.target.partition(":")
    with closing(run.client()) as client:
        if kind == "local":
            from sldb.client import default_directory
            from sldb.doctor import local

            directory = Path(rest).expanduser().absolute() if rest else default_directory()
            yield from local.findings(directory, client)
            return
        from sldb.deploy.cloud import connect
        from sldb.doctor import aws

        yield from aws.findings(connect(run.aws), run.stack, client)


def _show(finding: Finding) -> None:
    from sldb.render.text import escape

    state = click.style(f"{finding.state:<4}", fg=_COLORS[finding.state])
    click.echo(f"{state}  {finding.check:<12} {escape(finding.says)}")
    if finding.next:
        click.echo(f"{'':<19}→ {escape(finding.next)}")
