"""The command `sldb`: the click group, the options that every command has, and the one place where errors become
exit statuses.

Commands are loaded when they are run, so that `sldb --version` imports click and nothing else. The global options
may stand before or after the command's name; the one nearer to the end wins.

Exit statuses: 0; 1 the statement or operation failed; 2 usage; 3 not deployed, no credentials, not reachable;
70 a bug; 75 locked or in conflict, try again; 130 interrupted. The codes of `wire.ERROR_CODES` map onto these.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from sldb import __version__
from sldb.cli.global_options import Globals
from sldb.cli.path_types import name_places

__all__ = ["Command", "CommandGroup", "Globals", "command", "command_group", "completes", "main", "run", "sldb"]

# name → module below sldb.cli.commands that holds the click command of that name
COMMANDS = {
    "deploy": "stack.deploy",
    "destroy": "stack.destroy",
    "status": "stack.status",
    "doctor": "stack.doctor",
    "cost": "stack.cost",
    "logs": "stack.logs",
    "query": "query.query",
    "shell": "query.shell",
    "import": "data.import_",
    "export": "data.export",
    "dump": "data.dump",
    "history": "history.history",
    "restore": "history.restore",
    "undo": "history.undo",
    "diff": "history.diff",
    "branch": "history.branch",
    "databases": "databases.databases",
    "push": "data.push",
    "pull": "data.pull",
    "result": "query.result",
    "migrate": "databases.migrate",
    "unlock": "stack.unlock",
    "config": "stack.config",
    "completion": "stack.completion",
    "emulator": "stack.emulator",
}

F = TypeVar("F", bound=Callable[..., Any])


def completes(values: str) -> Callable[..., list[Any]]:
    """A completion of `sldb.cli.completers`, which is imported when a shell asks for it."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from lambda_handlers.wire import SldbError
        from sldb.cli import completers

        try:
            found: list[Any] = getattr(completers, values)(ctx, param, incomplete)
        except SldbError:  # a broken config file: the command will say so, a key is no place for it
            return []
        return found

    return complete


GLOBAL_OPTIONS = (
    click.Option(
        ["--target"],
        metavar="TARGET",
        help="lambda, lambda:FUNCTION, local or local:DIR.",
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


class Command(click.Command):
    """A command that also takes the global options, and hands the run's `Globals` to its callback first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(GLOBAL_OPTIONS)
        name_places(self.params)

    def invoke(self, ctx: click.Context) -> Any:
        run_globals = ctx.ensure_object(Globals)
        run_globals.update({option.name: ctx.params.pop(option.name) for option in GLOBAL_OPTIONS if option.name})
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            from sldb.cli.errors import ReaderLeft

            raise ReaderLeft from error  # click would make it exit status 1
        except OSError:  # the output cannot be written, most likely: what was written to a database is
            run_globals.tell_writes(also_where_plain=True)
            raise
        except Exception as error:
            _complete(run_globals, error)
            raise
        finally:
            run_globals.tell_writes()


def _complete(run_globals: Globals, error: Exception) -> None:
    """Let the commands in an error's hint go where this run goes."""
    from contextlib import suppress

    from lambda_handlers.wire import SldbError

    if isinstance(error, SldbError):
        with suppress(SldbError):  # the very aim may be what is wrong
            error.hint = run_globals.completed(error.hint)


class CommandGroup(Command, click.Group):
    """A command with commands of its own; alone it does what its callback does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, invoke_without_command=True, **kwargs)


def command(name: str, *, cls: type[Command] = Command, **attributes: Any) -> Callable[[F], Command]:
    """`@click.command` with the global options; the function's first argument is the `Globals`."""

    def decorate(function: F) -> Command:
        return click.command(name, cls=cls, **attributes)(click.pass_obj(function))

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
        found: click.Command = getattr(
            importlib.import_module(f"sldb.cli.commands.{module}"), module.rpartition(".")[2]
        )
        return found

    def invoke(self, ctx: click.Context) -> Any:
        run_globals = ctx.ensure_object(Globals)
        run_globals.update({option.name: ctx.params.pop(option.name) for option in GLOBAL_OPTIONS if option.name})
        return super().invoke(ctx)


def _print_spec(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's signature
    if value:
        import json

        from sldb.cli.spec import describe

        click.echo(json.dumps(describe(sldb), indent=2, ensure_ascii=False))
        ctx.exit()


@click.group(
    cls=LazyGroup,
    params=list(GLOBAL_OPTIONS),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
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
    from sldb.cli.streams import stand_in_for_closed

    stand_in_for_closed()
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status."""
    from sldb.cli import errors

    return errors.guard(lambda: sldb.main(args=arguments, prog_name="sldb", standalone_mode=False))
