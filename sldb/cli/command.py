"""The click classes of commands, with the global options and the report of writes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sldb.cli import help as help_pages
from sldb.cli.global_options import GLOBAL_OPTIONS, take_global_options
from sldb.cli.path_types import set_path_types

if TYPE_CHECKING:
    from sldb.cli.run import Run

F = TypeVar("F", bound=Callable[..., Any])


class Command(click.Command):
    """A command with the global options; its callback receives the `Run` as first argument."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(GLOBAL_OPTIONS)
        set_path_types(self.params)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.allow_extra_args:
            return super().parse_args(ctx, args)
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            from sldb.cli.quoting import not_expected

            raise click.UsageError(not_expected(ctx, rest), ctx)
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        help_pages.write_options(self, ctx, formatter)
        help_pages.write_lines(formatter, help_pages.SEE_GLOBALS)

    def invoke(self, ctx: click.Context) -> Any:
        run = take_global_options(ctx)
        _use_theme(run)
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            from sldb.cli.errors import ReaderLeft

            raise ReaderLeft from error  # click would make it exit status 1
        except OSError:  # most likely the output cannot be written, but the write to a database is done
            run.report_writes(always=True)
            raise
        except Exception as error:
            if ctx.invoked_subcommand is None:  # else the subcommand has done it
                _complete_hint(run, error)
            raise
        finally:
            run.report_writes()


def _use_theme(run: Run) -> None:
    """Print in the colours of the setting. Raises `bad_request` for an unknown theme."""
    if not (sys.stdout.isatty() or sys.stderr.isatty()):
        return
    from lambda_handlers.wire import SldbError
    from sldb import theme

    try:
        name = run.settings.find("theme").value
    except SldbError:  # of the config file: the command reports it, unless it is the one that repairs it
        return
    theme.use(name)


def _complete_hint(run: Run, error: Exception) -> None:
    """Add the names of databases to the hint of an error about a missing one, and to the commands in any hint the
    options of this run's target."""
    from contextlib import suppress

    from lambda_handlers.wire import SldbError

    if isinstance(error, SldbError):
        with suppress(SldbError):  # the target itself may be what is wrong
            run.suggest_databases(error)
            error.hint = run.complete_commands(error.hint)


class CommandGroup(Command, click.Group):
    """A command with subcommands; without one, its own callback does the work."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, invoke_without_command=True, **kwargs)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        help_pages.write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)
        help_pages.write_lines(formatter, help_pages.SEE_GLOBALS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            raise click.UsageError(help_pages.no_such_command(ctx, args[0], self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)


def command(name: str, *, cls: type[Command] = Command, **attributes: Any) -> Callable[[F], Command]:
    """Decorate as `@click.command` does, with the global options; the function's first argument is the `Run`."""

    def decorate(function: F) -> Command:
        return click.command(name, cls=cls, **attributes)(click.pass_obj(function))

    return decorate


def command_group(
    name: str, *, cls: type[CommandGroup] = CommandGroup, **attributes: Any
) -> Callable[[F], CommandGroup]:
    """Decorate as `command` does, for a command with subcommands: add them with its `add_command`."""

    def decorate(function: F) -> CommandGroup:
        return click.command(name, cls=cls, **attributes)(click.pass_obj(function))

    return decorate
