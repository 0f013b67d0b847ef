"""A command with SQL as its one argument, which may begin with a comment (`--`)."""

from __future__ import annotations

from typing import Any

import click

from sldb.cli.command import Command
from sldb.cli.quoting import begins_with_comment, not_one_argument, words_of_sql

_MARK = "\0"  # in no argument: the system ends one with it


class SqlCommand(Command):
    """A command with SQL as its one argument."""

    def make_parser(self, ctx: click.Context) -> Any:
        """Return click's parser, which takes an argument with a comment at its beginning for one, not for an option."""
        parser: Any = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_marked(args: list[str]) -> tuple[dict[str, Any], list[str], list[click.Parameter]]:
            options, rest, order = parse(args=[_MARK + each if begins_with_comment(each) else each for each in args])
            return {name: _unmarked(value) for name, value in options.items()}, _unmarked(rest), order

        parser.parse_args = parse_marked
        return parser

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        ctx.allow_extra_args = True
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption:
            if words := words_of_sql(given):
                raise click.UsageError(not_one_argument(words), ctx) from None
            raise
        if rest and not ctx.resilient_parsing:
            raise click.UsageError(not_one_argument([*filter(None, [ctx.params["sql"]]), *rest]), ctx)
        return rest


def _unmarked(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(map(_unmarked, value))
    return value.removeprefix(_MARK) if isinstance(value, str) else value
