"""The types of parameters for files and directories, recognized by their metavar: FILE, DIR.

Shells complete them as such. The command itself checks for existence, and handles a `-`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


class _PathType(click.ParamType):  # type: ignore[type-arg]  # click 8.2 is not generic yet
    """The path of a file or directory; the command checks for existence."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self._kind = kind

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type=self._kind)]


def output_option(meaning: str, type_: Any = None) -> Callable[[F], F]:
    """Return the option -o FILE, which is None for `-`: standard output."""
    return click.option("-o", "--output", type=type_, metavar="FILE", callback=_none_for_standard_output, help=meaning)


def _none_for_standard_output(ctx: click.Context, param: click.Parameter, value: Any) -> Any:  # noqa: ARG001 - click's
    return None if str(value) == "-" else value


PLACES = {"FILE": _PathType("file", "file"), "DIR": _PathType("directory", "dir")}


def set_path_types(parameters: Iterable[click.Parameter]) -> None:
    """Set the types of the parameters for files and directories."""
    for parameter in parameters:
        if parameter.metavar in PLACES and parameter.type is click.STRING:
            parameter.type = PLACES[parameter.metavar]
