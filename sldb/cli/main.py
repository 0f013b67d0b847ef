"""The command `sldb`: the root group, and the entry points.

A command is imported only for its run: `sldb --version` imports click and nothing else.

Exit statuses: 0; 1 the statement or operation failed; 2 usage; 3 not deployed, no credentials, not reachable; 4 done,
but rows were left out; 70 a bug; 75 locked or in conflict, try again; 130 interrupted. The codes of `wire.ERROR_CODES`
map onto these.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from sldb import __version__
from sldb.cli import help as help_pages
from sldb.cli.global_options import GLOBAL_OPTIONS, take_global_options
from sldb.cli.groups import COMMANDS, GROUPS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MAX_SUMMARY = 200  # characters: no summary is cut
_ATTRIBUTES = {"import": "import_"}  # of modules and functions, for a name that is a keyword of Python


class RootGroup(click.Group):
    """The group `sldb`: it imports commands on demand, and lists them by their groups."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        if cmd_name == "help":
            return help_pages.help_command
        group = COMMANDS.get(cmd_name)
        if group is None:
            return None
        attribute = _ATTRIBUTES.get(cmd_name, cmd_name.replace("-", "_"))
        module = importlib.import_module(f"sldb.cli.commands.{group.name}.{attribute}")
        found: click.Command = getattr(module, attribute)
        return found

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        helps = [CompletionItem("help")] if "help".startswith(incomplete or "-") else []
        return [*super().shell_complete(ctx, incomplete), *helps]

    def invoke(self, ctx: click.Context) -> Any:
        take_global_options(ctx)
        return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            raise click.UsageError(self._no_such_command(ctx, args), ctx)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from sldb.cli import quoting

            sql = next((each for each in given if quoting.begins_with_comment(each)), None)
            if sql is None or not sql.startswith(error.option_name):
                raise
            raise click.UsageError(quoting.no_command([sql]), ctx) from None

    def _no_such_command(self, ctx: click.Context, args: list[str]) -> str:
        from sldb.cli import quoting, spec

        below = [" ".join(path) for path, _ in spec.walk(self) if len(path) > 1 and path[-1] == args[0].lower()]
        if quoting.is_sql(args) and not (below and len(args) == 1):
            return quoting.no_command(args)
        return help_pages.no_such_command(ctx, args[0], self.list_commands(ctx), below)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        help_pages.write_options(self, ctx, formatter)
        help_pages.write_lines(formatter, help_pages.SEE_HELP, help_pages.SEE_GLOBALS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each group, with the names of all sections padded to one width."""
        widest = max(map(len, COMMANDS))
        for group in GROUPS:
            commands = {name: self.get_command(ctx, name) for name in group.commands}
            rows = [
                (name.ljust(widest), command.get_short_help_str(MAX_SUMMARY))
                for name, command in commands.items()
                if command
            ]
            formatter.write(f"\n{group.title}: {group.meaning}\n")
            with formatter.indentation():
                formatter.write_dl(rows)


def _print_spec(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's signature
    if value:
        import json

        from sldb.cli.spec import describe

        click.echo(json.dumps(describe(sldb), indent=2, ensure_ascii=False))
        ctx.exit()


@click.group(
    cls=RootGroup,
    params=list(GLOBAL_OPTIONS),
    context_settings={"help_option_names": help_pages.HELP_OPTIONS, "max_content_width": 100},
)
@click.version_option(__version__, prog_name="sldb")
@click.option(
    "--spec",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_spec,
    help="Print a description of all commands for programs, as JSON, and exit.",
)
def sldb() -> None:
    """A relational database without a server: SQLite in S3, behind one Lambda function.

    \b
    sldb deploy                      set it up in your AWS account
    sldb query "SELECT 1"            run SQL
    sldb shell                       run SQL interactively
    sldb --local DIR query "…"       the same engine over a directory, no AWS
    """


def main(arguments: Sequence[str] | None = None) -> None:
    from sldb.cli.streams import open_closed_streams

    open_closed_streams()
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status."""
    from sldb.cli import errors

    return errors.guard(lambda: sldb.main(args=arguments, prog_name="sldb", standalone_mode=False))
