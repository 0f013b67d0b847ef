"""The options of every command: of the target, the database and the output.

They may come before or after the name of the command; the one nearer to the end of the line wins. The help describes
them once: `sldb help globals`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from sldb.cli.run import Run


def completes(values: str) -> Callable[..., list[Any]]:
    """Return a completion of `sldb.cli.completers`, a module imported only at the request of a shell."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from lambda_handlers.wire import SldbError
        from sldb.cli import completers

        try:
            found: list[Any] = getattr(completers, values)(ctx, param, incomplete)
        except SldbError:  # a broken config file: the command reports it, a completion must not
            return []
        return found

    return complete


GLOBAL_OPTIONS = (
    click.Option(
        ["--target"],
        metavar="TARGET",
        help="lambda, lambda:FUNCTION, local, local:DIR or https://HOST.",
        shell_complete=completes("targets"),
    ),
    click.Option(["--local"], metavar="DIR", help="Short for --target local:DIR: no AWS, no network."),
    click.Option(
        ["--database"], metavar="NAME", help="The database (default: main).", shell_complete=completes("databases")
    ),
    click.Option(["--stack"], metavar="NAME", help="The CloudFormation stack (default: test-db)."),
    click.Option(["--profile"], metavar="NAME", help="The AWS profile.", shell_complete=completes("aws_profiles")),
    click.Option(["--region"], metavar="NAME", help="The AWS region."),
    click.Option(
        ["--format"],
        metavar="FORMAT",
        help="table, json, jsonl, csv, tsv, markdown, vertical or insert (default: table).",
        shell_complete=completes("formats"),
    ),
    click.Option(
        ["--use"],
        metavar="NAME",
        help="A profile of the config file; see sldb config.",
        shell_complete=completes("config_profiles"),
    ),
)


def take_global_options(ctx: click.Context) -> Run:
    """Move the global options from the parameters of a context into the settings of the `Run`, and return the run."""
    run = ctx.ensure_object(Run)
    # One may be missing: `token create` has a --database of its own.
    run.settings.update({option.name: ctx.params.pop(option.name, None) for option in GLOBAL_OPTIONS if option.name})
    return run
