"""The help pages, and the command `sldb help`.

The page of a command has its own options, and one line on the global ones: `sldb help globals` describes those.
`sldb help` is not in a group: it is part of the help, like --help.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

import click

from sldb.cli.global_options import GLOBAL_OPTIONS

HELP_OPTIONS = ["-h", "--help"]
GLOBALS = "globals"
SEE_GLOBALS = "Options of every command (--database, --local, --format, …): sldb help globals"
SEE_HELP = "More about a command: sldb help COMMAND"
_GLOBALS_HELP = """Options of every command.

They stand before or after the command's name; of an option that is given twice, the last one counts. Most have a
variable of the environment and a key in the config file as well: sldb config shows the values in force.

\b
  sldb --local ~/databases query "SELECT 1"
  sldb query "SELECT 1" --database orders --format json
"""
_HELP = """Show the help of sldb, of a command, or of the options of every command (globals).

\b
  sldb help
  sldb help query
  sldb help migrate up
  sldb help globals
"""


def write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the options of a command without the global ones."""
    own = (each for each in command.get_params(ctx) if isinstance(each, click.Option) and each not in GLOBAL_OPTIONS)
    records = [record for option in own if (record := option.get_help_record(ctx))]
    if records:
        with formatter.section("Options"):
            formatter.write_dl(records)


def write_lines(formatter: click.HelpFormatter, *lines: str) -> None:
    """Write closing lines as one paragraph, each on a line of its own."""
    formatter.write("\n" + "".join(f"{line}\n" for line in lines))


def _complete_words(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    words = ctx.params.get("words") or ()
    found, rest = _walk(ctx.find_root(), words)
    if rest or not isinstance(found.command, click.Group):
        return []
    names = [*found.command.list_commands(found), *([] if words else [GLOBALS])]
    return [name for name in names if name.startswith(incomplete)]


@click.command("help", help=_HELP, short_help="Show the help of a command.")
@click.argument("words", nargs=-1, metavar="[COMMAND [SUBCOMMAND] | globals]", shell_complete=_complete_words)
@click.pass_context
def help_command(ctx: click.Context, words: tuple[str, ...]) -> None:
    root = ctx.find_root()
    if words == (GLOBALS,):
        click.echo(_globals_page(root))
        return
    found, rest = _walk(root, words)
    if rest:
        _refuse(found, rest)
    click.echo(found.get_help())


def _globals_page(root: click.Context) -> str:
    page = click.Command(GLOBALS, params=list(GLOBAL_OPTIONS), help=_GLOBALS_HELP, add_help_option=False)
    formatter = root.make_formatter()
    formatter.write_usage("sldb", "[GLOBAL OPTION]... COMMAND [GLOBAL OPTION]...")
    context = click.Context(page, parent=root)
    page.format_help_text(context, formatter)
    page.format_options(context, formatter)
    return formatter.getvalue().rstrip("\n")


def _walk(root: click.Context, words: Sequence[str]) -> tuple[click.Context, Sequence[str]]:
    """Return the context of the command that the words begin with, and the other words."""
    found = root
    for position, word in enumerate(words):
        above = found.command
        command = above.get_command(found, word) if isinstance(above, click.Group) else None
        if command is None:
            return found, words[position:]
        found = click.Context(command, info_name=word, parent=found)
    return found, ()


def _refuse(above: click.Context, words: Sequence[str]) -> NoReturn:
    """Raise UsageError for words of which the first is no command of the one above."""
    context = click.get_current_context()
    if not isinstance(above.command, click.Group):
        raise click.UsageError(f"{above.command_path} has no subcommands", context)
    names = [*above.command.list_commands(above), *([GLOBALS] if above.parent is None else [])]
    raise click.UsageError(no_such_command(above, words[0], names), context)


def no_such_command(above: click.Context, word: str, names: Iterable[str], first: Sequence[str] = ()) -> str:
    """Return the message for an unknown subcommand, or command if the one above is the root. It suggests the names
    like the word, after those in `first`."""
    from lambda_handlers.shared.did_you_mean import closest, question

    path = above.command_path
    meant = question(f"{path} {'help ' * (name == GLOBALS)}{name}" for name in (*first, *closest(word, names)))
    return f"no such command: {path} {word}" + (f". {meant[:1].upper()}{meant[1:]}" if meant else "")
