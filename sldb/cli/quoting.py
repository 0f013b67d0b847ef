"""SQL on the command line: one argument in quotes, which may begin with a comment (`--`).

Without quotes a shell makes several arguments of it, and file names of a `*`; without `sldb query`, SQL stands in place
of a command. The errors show the command as it should be.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

_FIRST_WORDS = {
    *("ALTER", "ANALYZE", "ATTACH", "BEGIN", "COMMIT", "CREATE", "DELETE", "DETACH", "DROP", "END", "EXPLAIN"),
    *("INSERT", "PRAGMA", "REINDEX", "RELEASE", "REPLACE", "ROLLBACK", "SAVEPOINT", "SELECT", "UPDATE", "VACUUM"),
    *("VALUES", "WITH"),
}
_KINDS = {"TABLE", "INDEX", "VIEW", "TRIGGER", "UNIQUE", "TEMP", "TEMPORARY", "VIRTUAL"}
_OF_SCHEMA = ("ALTER", "CREATE", "DROP")  # words of other commands, too: sldb databases create
_OF_A_DATABASE = ("shell", "history", "restore")  # the commands without an argument


def begins_with_comment(argument: str) -> bool:
    """Return True for SQL that begins with a comment. An option has no space in its name."""
    name = argument.partition("=")[0]
    return argument.startswith("--") and any(map(str.isspace, name))


def is_sql(words: Sequence[str]) -> bool:
    """Return True if the arguments begin like SQL, or a dot command."""
    if begins_with_comment(words[0]) or re.match(r"\.[a-z]", words[0]):
        return True
    found = [word.upper() for word in re.findall(r"\w+|\S", " ".join(words[:3]))]
    if not found or found[0] not in _FIRST_WORDS:
        return False
    return found[0] not in _OF_SCHEMA or found[1:2] == [] or found[1] in _KINDS


def not_one_argument(words: Sequence[str]) -> str:
    """Return the message for SQL of several arguments."""
    restored = restore_star(words, os.listdir())
    names = "" if restored == [*words] else ", because the shell replaces * by the names of files"
    return f"SQL is one argument, in quotes{names}: {query_command(' '.join(restored))}"


def no_command(args: Sequence[str]) -> str:
    """Return the message for SQL, or a dot command, in place of a command; `args` end with its options."""
    end = next((at for at in range(1, len(args)) if args[at].startswith("--")), len(args))
    text = " ".join(restore_star(args[:end], os.listdir()))
    what = "a dot command" if text.startswith(".") else "SQL"
    return (
        f"{what} is the argument of query: {query_command(text if text.upper() not in _FIRST_WORDS else f'{text} …')}"
    )


def not_expected(ctx: click.Context, words: Sequence[str]) -> str:
    """Return the message for arguments that a command does not take: SQL, the name of a file or of a database."""
    if is_sql(words):
        return no_command(words)
    listed = " ".join(words)
    if ctx.info_name == "shell" and Path(words[0]).is_file():
        return f"the shell runs a file from its standard input: sldb shell < {shlex.quote(words[0])}"
    own = [each for each in ctx.command.params if isinstance(each, click.Argument)]
    if len(words) > 1 or own or ctx.info_name not in _OF_A_DATABASE:
        return f"unexpected argument: {listed}"
    return (
        f"unexpected argument: {listed}. A database is an option: {ctx.command_path} --database {shlex.quote(listed)}"
    )


def restore_star(words: Sequence[str], files: Iterable[str]) -> list[str]:
    """Return the words with a * in place of the names of all files, which is what a shell made of it."""
    names = {name for name in files if not name.startswith(".")}
    for start in range(1, len(words) - len(names) + 1):
        if names and set(words[start : start + len(names)]) == names:
            return [*words[:start], "*", *words[start + len(names) :]]
    return [*words]


def query_command(sql: str) -> str:
    """Return the command that runs the SQL, for a POSIX shell."""
    in_quotes = shlex.quote(sql) if re.search(r'["$`\\!]', sql) else f'"{sql}"'
    return f"sldb query {in_quotes}"


def words_of_sql(args: Sequence[str]) -> list[str]:
    """Return the arguments from a first word of SQL to the next option with a long name."""
    start = next((at for at, word in enumerate(args) if word.upper() in _FIRST_WORDS), len(args))
    end = next((at for at in range(start, len(args)) if args[at].startswith("--")), len(args))
    return [*args[start:end]]
