"""The page docs/commands.md, made from the commands: `python -m docs.reference` prints it, `make docs` writes it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import click

from sldb.cli import spec
from sldb.cli.groups import GROUPS
from sldb.cli.main import sldb

_HEAD = """\
# Commands

Made from the code by `make docs`, and checked against it by a test. The same for programs: `sldb --spec`; for a
terminal: `sldb help COMMAND`, or `sldb COMMAND --help`.
"""


def markdown() -> str:
    return "\n".join([_HEAD, *_contents(), *_global_options(), *_exit_statuses(), *_commands()])


def _contents() -> Iterator[str]:
    commands = dict(spec.walk(sldb))
    for group in GROUPS:
        yield f"| {group.title}: {group.meaning} | |\n|---|---|"
        for path, command in commands.items():
            if path[0] in group.commands:
                name = " ".join(("sldb", *path))
                yield f"| [`{name}`](#{name.replace(' ', '-')}) | {_cell(command.get_short_help_str(200))} |"
        yield ""


def _global_options() -> Iterator[str]:
    yield "## Options of every command\n"
    yield "They may stand before or after the command's name; the last one counts. A terminal: `sldb help globals`.\n"
    yield from _options([each for each in sldb.params if isinstance(each, click.Option)])


def _exit_statuses() -> Iterator[str]:
    yield "## Exit statuses\n\n| | |\n|---|---|"
    yield from (f"| {status} | {meaning} |" for status, meaning in spec.EXIT_STATUSES.items())
    yield ""


def _commands() -> Iterator[str]:
    for path, command in spec.walk(sldb):
        yield f"## {' '.join(('sldb', *path))}\n\n```\n{spec.usage(path, command)}\n```\n"
        yield from _blocks(spec.text_of(command))
        own = spec.own_parameters(command, sldb)
        yield from _options([each for each in own if isinstance(each, click.Option)])


def _blocks(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help: verbatim blocks as code, the others as text."""
    for block in re.split(r"\n\s*\n", text):
        if block.startswith("\b"):
            yield "```\n" + block.removeprefix("\b\n").rstrip() + "\n```\n"
        else:
            yield _prose(block) + "\n"


def _options(options: list[click.Option]) -> Iterator[str]:
    shown = [option for option in options if not option.hidden]
    if not shown:
        return
    yield "| option | |\n|---|---|"
    for option in shown:
        names = ", ".join((*option.opts, *option.secondary_opts))
        name_and_value = f"{names} {spec.value_of(option)}".rstrip().replace("|", "\\|")
        yield f"| `{name_and_value}` | {_cell(_help(option))} |"
    yield ""


def _help(option: click.Option) -> str:
    default = f" (default: {option.default})" if option.show_default else ""
    return (option.help or "") + default


def _cell(text: str) -> str:
    return _prose(" ".join(text.split())).replace("|", "\\|")


def _prose(text: str) -> str:
    """Return text of a help page with all of Markdown escaped except code."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([\\*_<\[])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]  # standard output is a file
    sys.stdout.write(markdown())
