"""Parameters that name files or directories, known by the word that stands for their value: FILE, DIR.

Shells complete them as such. Whether something is there is the command's business, and so is a `-`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class _Place(click.ParamType):  # type: ignore[type-arg]  # click 8.2 is not generic yet
    """Text that names something on the disk; whether it is there is the command's business."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self._kind = kind

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type=self._kind)]


PLACES = {"FILE": _Place("file", "file"), "DIR": _Place("directory", "dir")}


def set_path_types(parameters: Iterable[click.Parameter]) -> None:
    """Give those that name files or directories their types."""
    for parameter in parameters:
        if parameter.metavar in PLACES and parameter.type is click.STRING:
            parameter.type = PLACES[parameter.metavar]
