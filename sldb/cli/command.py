"""The click classes of commands, with the global options and the report of writes.

A global option may come before or after the name of the command; the one nearer to the end of the line wins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from sldb.cli.path_types import set_path_types
from sldb.cli.run import Run

F = TypeVar("F", bound=Callable[..., Any])


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


def take_global_options(ctx: click.Context) -> Run:
    """Move the global options from the parameters of a context into the settings of the `Run`, and return the run."""
    run = ctx.ensure_object(Run)
    run.settings.update({option.name: ctx.params.pop(option.name) for option in GLOBAL_OPTIONS if option.name})
    return run


class Command(click.Command):
    """A command with the global options; its callback receives the `Run` as first argument."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(GLOBAL_OPTIONS)
        set_path_types(self.params)

    def invoke(self, ctx: click.Context) -> Any:
        run = take_global_options(ctx)
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            from sldb.cli.errors import ReaderLeft

            raise ReaderLeft from error  # click would make it exit status 1
        except OSError:  # most likely the output cannot be written, but the write to a database is done
            run.report_writes(always=True)
            raise
        except Exception as error:
            _complete_hint(run, error)
            raise
        finally:
            run.report_writes()


def _complete_hint(run: Run, error: Exception) -> None:
    """Add the options of this run's target to the commands in an error's hint."""
    from contextlib import suppress

    from lambda_handlers.wire import SldbError

    if isinstance(error, SldbError):
        with suppress(SldbError):  # the target itself may be what is wrong
            error.hint = run.complete_commands(error.hint)


class CommandGroup(Command, click.Group):
    """A command with subcommands; without one, its own callback does the work."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, invoke_without_command=True, **kwargs)


def command(name: str, *, cls: type[Command] = Command, **attributes: Any) -> Callable[[F], Command]:
    """Decorate as `@click.command` does, with the global options; the function's first argument is the `Run`."""

    def decorate(function: F) -> Command:
        return click.command(name, cls=cls, **attributes)(click.pass_obj(function))

    return decorate


def command_group(name: str, **attributes: Any) -> Callable[[F], CommandGroup]:
    """Decorate as `command` does, for a command with subcommands: add them with its `add_command`."""

    def decorate(function: F) -> CommandGroup:
        return click.command(name, cls=CommandGroup, **attributes)(click.pass_obj(function))

    return decorate
