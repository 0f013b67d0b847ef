"""Earlier spellings of options: hidden, accepted, and answered with a note on standard error.

A letter means one thing in all commands (tests/sldb/cli/test_option_letters.py has the table); the spellings from
before that rule stay valid for scripts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class OldSpelling(click.Option):
    """A hidden option that stands for another one of its command."""

    def __init__(self, param_decls: Sequence[str], *, now: str, is_flag: bool) -> None:
        super().__init__(param_decls, is_flag=is_flag, hidden=True, expose_value=False, is_eager=True)
        self.now = now

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Hand the value to the option of today, which click handles after the eager ones."""
        if self.name in opts:
            meant = next(each for each in ctx.command.params if self.now in each.opts)
            assert isinstance(opts, dict)  # click's own, made for this command line
            opts.setdefault(meant.name, opts.pop(self.name))
            if not ctx.resilient_parsing:
                click.echo(f"note: {self.opts[0]} is an old spelling of {self.now}: it still works", err=True)
        return None, args


def old_spelling(old: str, *, now: str, is_flag: bool = False) -> Callable[[F], F]:
    """Decorate a command with an earlier spelling of the option `now`, "--yes" for example."""
    return click.option(f"old_{old.strip('-')}", old, cls=OldSpelling, now=now, is_flag=is_flag)
