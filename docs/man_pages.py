"""The man pages, made from the commands: `python -m docs.man_pages DIRECTORY` writes them, `make man` calls it.

A wheel has them as share/man/man1 (docs/wheel_hook.py), where `man sldb` finds them beside the program.
Macros: man(7).
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from sldb import __version__
from sldb.cli import spec
from sldb.cli.groups import GROUPS
from sldb.cli.main import sldb
from sldb.config.settings import KEYS


def pages() -> dict[str, str]:
    """Return the text of each page by the name of its file."""
    found = {"sldb.1": _text(_root())}
    for path, command in spec.walk(sldb):
        found[f"sldb-{'-'.join(path)}.1"] = _text(_command(path, command))
    return found


def write(directory: Path) -> list[Path]:
    """Write all pages into the directory, and return their files."""
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for name, text in pages().items():
        files.append(directory / name)
        files[-1].write_text(text, "utf-8", newline="\n")
    return files


def _root() -> Iterator[str]:
    yield from _head("sldb", "a relational database without a server", "sldb [OPTIONS] COMMAND [ARGS]...")
    yield from _description(spec.text_of(sldb))
    commands = dict(spec.walk(sldb))
    yield ".SH COMMANDS"
    for group in GROUPS:
        yield f".SS {_plain(group.title)}"
        for path, command in commands.items():
            if len(path) == 1 and path[0] in group.commands:
                yield from _entry(rf"\fBsldb\-{path[0]}\fR(1)", command.get_short_help_str(200))
    yield ".SH OPTIONS"
    yield "They stand before or after the name of any command."
    yield from _options(sldb.params)
    yield ".SH EXIT STATUS"
    for status, meaning in spec.EXIT_STATUSES.items():
        yield from _entry(rf"\fB{status}\fR", meaning)
    yield ".SH ENVIRONMENT"
    for key in KEYS.values():
        if key.variables:
            yield from _entry(", ".join(rf"\fB{_plain(name)}\fR" for name in key.variables), key.meaning)


def _command(path: tuple[str, ...], command: click.Command) -> Iterator[str]:
    yield from _head("-".join(("sldb", *path)), command.get_short_help_str(200), spec.usage(path, command))
    yield from _description(spec.text_of(command))
    own = [each for each in spec.own_parameters(command, sldb) if isinstance(each, click.Option) and not each.hidden]
    if own:
        yield ".SH OPTIONS"
        yield from _options(own)
    if isinstance(command, click.Group):
        yield ".SH COMMANDS"
        for name, below in spec.walk(command):
            yield from _entry(rf"\fB{_plain('-'.join(('sldb', *path, *name)))}\fR(1)", below.get_short_help_str(200))
    yield ".SH SEE ALSO"
    yield r"\fBsldb\fR(1) has the options of every command, and the exit statuses."


def _head(name: str, summary: str, usage: str) -> Iterator[str]:
    yield f'.TH "{name.upper()}" "1" "" "sldb {__version__}" "sldb"'
    yield ".SH NAME"
    yield rf"{_plain(name)} \- {_plain(summary.rstrip('.'))}"
    yield ".SH SYNOPSIS"
    yield _plain(usage)


def _description(text: str) -> Iterator[str]:
    r"""Yield the paragraphs of a help text: a verbatim one begins with click's \b."""
    yield ".SH DESCRIPTION"
    for block in re.split(r"\n\s*\n", text):
        if block.startswith("\b"):
            # man indents by seven columns, and 80 have to be enough.
            lines = textwrap.dedent(block.removeprefix("\b\n")).rstrip().split("\n")
            yield from (".PP", ".nf", *map(_line, lines), ".fi")
        else:
            yield from (".PP", _line(" ".join(block.split())))


def _options(options: list[click.Parameter]) -> Iterator[str]:
    for option in options:
        if isinstance(option, click.Option) and not option.hidden:
            value = rf" \fI{_plain(text)}\fR" if (text := spec.value_of(option)) else ""
            names = ", ".join(rf"\fB{_plain(name)}\fR" for name in (*option.opts, *option.secondary_opts))
            default = f" (default: {option.default})" if option.show_default else ""
            yield from _entry(names + value, (option.help or "") + default)


def _entry(term: str, meaning: str) -> Iterator[str]:
    yield from (".TP", term, _line(" ".join(meaning.split())))


def _line(text: str) -> str:
    """Return a line of text: one that begins with a point or a quote would be a request to roff."""
    plain = _plain(text)
    return rf"\&{plain}" if plain.startswith((".", "'")) else plain


def _plain(text: str) -> str:
    # "-" would print as a hyphen, which cannot be copied into a command.
    return text.replace("\\", r"\e").replace("-", r"\-")


def _text(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
