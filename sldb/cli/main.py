"""The command `sldb`: the click group, the options that every command has, and the one place where errors become
exit statuses.

Commands are loaded when they are run, so that `sldb --version` imports click and nothing else. The global options
may stand before or after the command's name; the one nearer to the end wins.

Exit statuses: 0; 1 the statement or operation failed; 2 usage; 3 not deployed, no credentials, not reachable;
70 a bug; 75 locked or in conflict, try again; 130 interrupted. The codes of `wire.ERROR_CODES` map onto these.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sldb import __version__

if TYPE_CHECKING:
    from sldb.client import Client
    from sldb.targets.protocol import AwsOptions

# name → module below sldb.cli that holds the click command of that name
COMMANDS = {
    "deploy": "deploy",
    "destroy": "destroy",
    "status": "status",
    "query": "query",
    "shell": "shell",
    "export": "export",
    "dump": "dump",
    "history": "history",
    "restore": "restore",
    "undo": "undo",
    "diff": "diff",
    "branch": "branch",
    "databases": "databases",
    "result": "result",
    "unlock": "unlock",
    "emulator": "emulator",
}

F = TypeVar("F", bound=Callable[..., Any])

GLOBAL_OPTIONS = (
    click.Option(["--target"], metavar="TARGET", help="lambda, lambda:FUNCTION, local or local:DIR."),
    click.Option(["--local"], metavar="DIR", help="Short for --target local:DIR: no AWS, no network."),
    click.Option(["--database"], metavar="NAME", help="The database (default: main)."),
    click.Option(["--stack"], metavar="NAME", help="The CloudFormation stack (default: test-db)."),
    click.Option(["--profile"], metavar="NAME", help="The AWS profile."),
    click.Option(["--region"], metavar="NAME", help="The AWS region."),
    click.Option(
        ["--format"],
        metavar="FORMAT",
        help="table, json, jsonl, csv, tsv, markdown, vertical or insert (default: table).",
    ),
)
_ENVIRONMENT = {
    "target": "SLDB_TARGET",
    "format": "SLDB_FORMAT",
    "database": "SLDB_DATABASE",
    "stack": "SLDB_STACK",
}
_DEFAULTS = {"target": "lambda", "format": "table", "database": "main", "stack": "test-db"}


class Globals:
    """The global options of one run: given on the command line, else in the environment, else the default."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def update(self, given: dict[str, Any]) -> None:
        self._given.update({name: value for name, value in given.items() if value is not None})

    def _get(self, name: str) -> str:
        return self._given.get(name) or os.environ.get(_ENVIRONMENT.get(name, "")) or _DEFAULTS.get(name, "")

    @property
    def target(self) -> str:
        local = self._given.get("local")
        if local and self._given.get("target"):
            raise click.UsageError("--local DIR is short for --target local:DIR: give one of them")
        return f"local:{local}" if local else self._get("target")

    @property
    def database(self) -> str:
        return self._get("database")

    @property
    def stack(self) -> str:
        return self._get("stack")

    @property
    def format(self) -> str:
        return self._get("format")

    @property
    def format_given(self) -> bool:
        return bool(self._given.get("format") or os.environ.get("SLDB_FORMAT"))

    @property
    def aws(self) -> AwsOptions:
        from sldb.targets.protocol import AwsOptions

        # AWS's own command line reads AWS_REGION, botocore does not: here it works for every command.
        region = self._given.get("region") or os.environ.get("AWS_REGION")
        return AwsOptions(profile=self._given.get("profile"), region=region or None)

    def client(self, database: str | None = None) -> Client:
        from sldb.client import Client, open_target

        return Client(open_target(self.target, self.aws), database or self.database)

    def command_line(self, *words: str, database: str | None = None) -> str:
        """A command to type, which works where this one did: with the options that it was given."""
        import shlex

        given = {name: value for name, value in self._given.items() if name != "format"}
        if database is not None:
            given["database"] = database
        options = [word for name, value in given.items() for word in (f"--{name}", value)]
        return shlex.join(["sldb", *words, *options])


class Command(click.Command):
    """A command that also takes the global options, and hands the run's `Globals` to its callback first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(GLOBAL_OPTIONS)

    def invoke(self, ctx: click.Context) -> Any:
        run_globals = ctx.ensure_object(Globals)
        run_globals.update({option.name: ctx.params.pop(option.name) for option in GLOBAL_OPTIONS if option.name})
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            from sldb.cli.failures import ReaderLeft

            raise ReaderLeft from error  # click would make it exit status 1


class CommandGroup(Command, click.Group):
    """A command with commands of its own; alone it does what its callback does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, invoke_without_command=True, **kwargs)


def command(name: str, **attributes: Any) -> Callable[[F], Command]:
    """`@click.command` with the global options; the function's first argument is the `Globals`."""

    def decorate(function: F) -> Command:
        return click.command(name, cls=Command, **attributes)(click.pass_obj(function))

    return decorate


def command_group(name: str, **attributes: Any) -> Callable[[F], CommandGroup]:
    """The same for one that has commands: add them with its `add_command`."""

    def decorate(function: F) -> CommandGroup:
        return click.command(name, cls=CommandGroup, **attributes)(click.pass_obj(function))

    return decorate


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        found: click.Command = getattr(importlib.import_module(f"sldb.cli.{module}"), module)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        run_globals = ctx.ensure_object(Globals)
        run_globals.update({option.name: ctx.params.pop(option.name) for option in GLOBAL_OPTIONS if option.name})
        return super().invoke(ctx)


@click.group(
    cls=LazyGroup,
    params=list(GLOBAL_OPTIONS),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="sldb")
def sldb() -> None:
    """A relational database without a server: SQLite in S3, behind one Lambda function.

    \b
    sldb deploy                      set it up in your AWS account
    sldb query "SELECT 1"            run SQL
    sldb shell                       run SQL interactively
    sldb --local DIR query "…"       the same engine over a directory, no AWS
    """


def main(arguments: Sequence[str] | None = None) -> None:
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status."""
    from sldb.cli import failures

    return failures.guard(lambda: sldb.main(args=arguments, prog_name="sldb", standalone_mode=False))
