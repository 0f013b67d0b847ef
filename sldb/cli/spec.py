"""The command line as data: the output of `sldb --spec` for programs, and the source of docs/commands.md.

An example is a line with "sldb" as first word in a verbatim block (click's \\b) of a command's help; its explanation
follows behind two spaces.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import click

from lambda_handlers.wire import ERROR_CODES
from sldb import __version__
from sldb.cli.groups import COMMANDS, GROUPS
from sldb.cli.help import HELP_OPTIONS
from sldb.config.settings import FILE_VARIABLE, KEYS, USE_VARIABLE
from sldb.render import FORMATS

EXIT_STATUSES = {
    0: "done",
    1: "the statement or operation failed, or the answer to a question was no",
    2: "usage: an invalid option, argument, file or setting",
    3: "not deployed, no credentials, or AWS cannot be reached",
    4: "done, but rows were left out (import --on-error skip, --rejects)",
    70: "a bug in sldb",
    75: "locked, or in conflict with another writer: nothing was applied, try again",
    130: "interrupted",
}
_EXAMPLE = re.compile(r"\s*(sldb .*?)(?: {2,}(\S.*))?")


class Example(NamedTuple):
    line: str
    says: str


def describe(root: click.Group) -> dict[str, Any]:
    """Return the whole command line as values of JSON."""
    return {
        "name": "sldb",
        "version": __version__,
        "help": text_of(root).replace("\b\n", ""),
        "global_options": [parameter for each in root.params if (parameter := _option(each))],
        "groups": [
            {"name": group.name, "title": group.title, "help": group.meaning, "commands": list(group.commands)}
            for group in GROUPS
        ],
        "commands": [describe_command(path, command, root) for path, command in walk(root)],
        "formats": list(FORMATS),
        "settings": [
            {"key": key.name, "environment": list(key.variables), "default": key.default, "help": key.meaning}
            for key in KEYS.values()
        ],
        "config": {"file_environment": FILE_VARIABLE, "profile_environment": USE_VARIABLE, "profile_option": "--use"},
        "exit_statuses": {str(status): meaning for status, meaning in EXIT_STATUSES.items()},
        "error_codes": {
            name: {"exit_status": code.exit_code, "http_status": code.status} for name, code in ERROR_CODES.items()
        },
        "streams": {"stdout": "data only", "stderr": "everything else; errors as `error: MESSAGE [CODE]`, `hint: …`"},
    }


def walk(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with its words, groups before their commands."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from walk(command, (*path, name))


def text_of(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "")


def examples(command: click.Command) -> list[Example]:
    found = []
    for block in re.split(r"\n\s*\n", text_of(command)):
        if block.startswith("\b"):
            matches = (_EXAMPLE.fullmatch(line) for line in block.splitlines())
            found += [Example(match[1], match[2] or "") for match in matches if match]
    return found


def own_parameters(command: click.Command, root: click.Group) -> list[click.Parameter]:
    """Return the parameters of a command without the global options."""
    return [parameter for parameter in command.params if parameter not in root.params]


def value_of(option: click.Option) -> str:
    """Return the word for an option's value, such as FILE or stop|skip; "" if it takes none."""
    if option.is_flag:
        return ""
    if option.metavar is None and isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices))
    return option.metavar or option.type.name.upper()


def usage(path: tuple[str, ...], command: click.Command) -> str:
    context = click.Context(command, info_name=" ".join(("sldb", *path)), help_option_names=HELP_OPTIONS)
    return " ".join(("sldb", *path, *command.collect_usage_pieces(context)))


def describe_command(path: tuple[str, ...], command: click.Command, root: click.Group) -> dict[str, Any]:
    parameters = own_parameters(command, root)
    return {
        "command": list(path),
        "group": COMMANDS[path[0]].name,
        "usage": usage(path, command),
        "summary": command.get_short_help_str(200),
        "help": text_of(command).replace("\b\n", ""),
        "examples": [{"line": example.line, "help": example.says} for example in examples(command)],
        "arguments": [_argument(each) for each in parameters if isinstance(each, click.Argument)],
        "options": [option for each in parameters if (option := _option(each))],
        "is_group": isinstance(command, click.Group),
    }


def _argument(argument: click.Argument) -> dict[str, Any]:
    return {
        "name": argument.name,
        "metavar": argument.metavar or (argument.name or "").upper(),
        "required": argument.required,
        "multiple": argument.nargs != 1,
        **_type(argument.type),
    }


def _option(option: click.Parameter) -> dict[str, Any] | None:
    if not isinstance(option, click.Option) or option.hidden:
        return None
    default = option.default if isinstance(option.default, (str, int, float, bool)) else None
    return {
        "names": [*option.opts, *option.secondary_opts],
        "metavar": None if option.is_flag else option.metavar or option.type.name.upper(),
        "flag": option.is_flag,
        "multiple": option.multiple,
        "required": option.required,
        "default": default,
        "help": option.help or "",
        **_type(option.type),
    }


def _type(kind: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"type": kind.name.partition(" ")[0]}
    if isinstance(kind, click.Choice):
        described["choices"] = list(kind.choices)
    if isinstance(kind, (click.IntRange, click.FloatRange)):
        described |= {"min": kind.min, "max": kind.max}
    return described
