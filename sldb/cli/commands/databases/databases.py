"""The command `sldb databases`: list, create, set, rename and drop databases."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages, streams
from sldb.cli.command import command, command_group
from sldb.cli.global_options import completes
from sldb.cli.questions import yes_option
from sldb.cli.run import Run
from sldb.write_outcome import NOT_CHANGED

HELP = """List the databases; create, set, rename or drop one.

The first write also creates a database; it asks for confirmation, or needs --create. One that was dropped can be
brought back while its history is kept; --all shows those too. Of more than a hundred databases the names alone are
listed; --details looks at each of them.

\b
  sldb databases
  sldb databases --all --format json
  sldb databases set main foreign_keys=on
  sldb databases drop staging
"""
_VALUES = {"on": True, "off": False}


@command_group("databases", help=HELP, short_help="List, create, set, rename or drop databases.")
@click.option("--all", "shows_all", is_flag=True, help="Also those that were dropped.")
@click.option("--details", is_flag=True, help="Size and time of each one, of however many.")
@click.pass_context
def databases(ctx: click.Context, run: Run, shows_all: bool, details: bool) -> None:
    if ctx.invoked_subcommand is None:
        _list(run, shows_all, details)


@command("list", short_help="List the databases.")
@click.option("--all", "shows_all", is_flag=True, help="Also those that were dropped.")
@click.option("--details", is_flag=True, help="Size and time of each one, of however many.")
def list_(run: Run, shows_all: bool, details: bool) -> None:
    """List the databases: their size, newest transaction and its time, and if foreign keys are enforced.

    Of more than a hundred the names alone, with one request for each thousand of them. With --details each is looked
    at, with two requests or more.

    \b
      sldb databases list --all
      sldb databases list --details --format jsonl
    """
    _list(run, shows_all, details)


def _list(run: Run, shows_all: bool, details: bool) -> None:
    from sldb.actions.databases import is_detailed, listed, problems, table
    from sldb.render import check_format

    format_name, found = check_format(run.format), list[dict[str, Any]]()
    with closing(run.client()) as client, messages.shown_in_parts(format_name) as show:
        for part in listed(client, shows_all=shows_all, details=details):
            show(table(part, format_name))
            found += part
    for sentence in problems(found):
        messages.say(sentence)
    if not all(map(is_detailed, found)):
        messages.say(f"{len(found)} databases: --details looks at each of them")
    if not found:
        missing = run.missing_directory
        first = f"there is no directory {missing}" if missing else "the first write creates main"
        messages.say(f"no databases yet: {first}")


@command("create", short_help="Create an empty database.")
@click.argument("name")
def create(run: Run, name: str) -> None:
    """Create an empty database. (So does a first write with --create.)

    \b
      sldb databases create staging
    """
    messages.check_format(run.format)
    with closing(run.client(name, create=True)) as client:
        reply = client.act("create_database")
    done = "created" if reply["created"] else "there already, and empty"
    messages.show_reply(run.format, reply, f"{name}: {done} · txid {reply['txid']}")


@command("set", short_help="Change the setting of a database.")
@click.argument("name", shell_complete=completes("databases"))
@click.argument("setting", metavar="foreign_keys=on|off")
def set_(run: Run, name: str, setting: str) -> None:
    """Change the setting of a database: the enforcement of foreign keys.

    It holds for each request without a PRAGMA foreign_keys of its own. Databases created by sldb have it on, those from
    SQLite files (push) have it off, as in SQLite. Existing rows are not checked: PRAGMA foreign_key_check finds rows
    without their parents.

    \b
      sldb databases set main foreign_keys=on
      sldb databases set staging foreign_keys=off
    """
    messages.check_format(run.format)
    enforced = _parse_setting(setting)
    with closing(run.client(name)) as client:
        reply = client.act("set_database", foreign_keys=enforced)
    is_so = f"foreign keys are {'' if enforced else 'not '}enforced"
    if not reply["changed"]:
        messages.show_reply(run.format, reply, f"{name}: {is_so}, as before")
        return
    back = run.command_line("databases", "set", name, f"foreign_keys={'off' if enforced else 'on'}")
    messages.show_reply(run.format, reply, f"{name}: {is_so} · txid {reply['txid']}", f"to undo this: {back}")


def _parse_setting(setting: str) -> bool:
    name, _, value = setting.partition("=")
    if name.strip().lower() != "foreign_keys" or value.strip().lower() not in _VALUES:
        raise SldbError("bad_request", f"got {setting!r}, want foreign_keys=on or foreign_keys=off")
    return _VALUES[value.strip().lower()]


@command("rename", short_help="Give a database another name.")
@click.argument("name", shell_complete=completes("databases"))
@click.argument("to")
def rename(run: Run, name: str, to: str) -> None:
    """Give a database another name.

    Its files are copied to the new name, then the old name is dropped. These are two steps: if it is stopped between
    them both names are there, and the same command again goes on. Clients of the old name get an error: it was
    dropped.

    \b
      sldb databases rename staging production
    """
    messages.check_format(run.format)
    with closing(run.client(name)) as client:
        reply = client.act("rename_database", to=to)
    back = run.command_line("restore", "--at", str(reply["at"]), database=name)
    drop_copy = run.command_line("databases", "drop", to)
    messages.show_reply(
        run.format,
        reply,
        f"{name} is {to} now · txid {reply['txid']}",
        f"to undo this: {back}",
        f"        then: {drop_copy}",
    )


@command("drop", short_help="Drop a database.")
@click.argument("name", shell_complete=completes("databases"))
@yes_option()
def drop(run: Run, name: str, yes: bool) -> int:
    """Drop a database. It can be brought back for as long as its history is kept.

    Asks for the name, or for --yes. A copy that was stopped (state unfinished) cannot be brought back.

    \b
      sldb databases drop staging
      sldb databases drop staging --yes
    """
    from sldb.moments import local

    messages.check_format(run.format)
    with closing(run.client(name)) as client:
        if not yes and not _confirm_drop(client.list_databases(names=[name]), name, client.where):
            return 1
        reply = client.act("drop_database")
    done = "is dropped" if reply["dropped"] else "was dropped already"
    then = "there is nothing to bring back, and the name can be used again"
    if reply["restore_at"] is not None:
        back = run.command_line("restore", "--at", str(reply["restore_at"]), database=name)
        then = f"to bring it back, until {local(reply['until'])}: {back}"
    messages.show_reply(run.format, reply, f"{name} {done} · txid {reply['txid']}", then)
    return 0


def _confirm_drop(found: list[dict[str, Any]], name: str, where: str) -> bool:
    from sldb.moments import local
    from sldb.report import size

    if not streams.can_ask():
        raise SldbError(
            "bad_request", "drop asks before it does anything, and there is no terminal", "add --yes to confirm it"
        )
    there = [one for one in found if one["name"] == name]
    if not there:
        raise SldbError("not_found", f"there is no database {name}", "`sldb databases` lists the existing ones")
    if problem := there[0].get("problem"):
        raise SldbError("corrupt", f"{name} cannot be dropped as it is: {problem}", "restore the object first")
    bytes_there, written = size(there[0]["bytes"]), local(there[0]["time"])
    what = f"{bytes_there}, last written {written} (transaction {there[0]['txid']})"
    if there[0]["state"] == "unfinished":
        what = "a copy that was stopped, or is under way; none of it can be read"
    messages.say_subject(where)
    messages.say(f"This drops {name}: {what}.")
    answer = click.prompt(f"Type its name ({name}) to continue", err=True, default="", show_default=False)
    if answer != name:
        messages.say(f"not its name: {NOT_CHANGED}")
    return bool(answer == name)


for _command in (list_, create, set_, rename, drop):
    databases.add_command(_command)
