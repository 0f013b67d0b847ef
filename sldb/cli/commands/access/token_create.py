"""The command `sldb token create`: a new caller, and the only display of its token or key."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages, streams
from sldb.cli.command import Command, command
from sldb.cli.global_options import completes
from sldb.cli.run import Run

if TYPE_CHECKING:
    from sldb.access.entries import Entry
    from sldb.access.operations import Made
    from sldb.access.stack_access import StackAccess

HELP = """Make a caller of the stack's APIs, and print its token or key, which is shown this once.

The token stands alone on standard output, everything else on standard error. Without --database it is for the database
of the command (main), never for all. With --key it is an API key in the stack's usage plan; --principal and --subject
give rights to an identity of AWS or of your issuer of JWTs, and print nothing to keep.

\b
  TOKEN=$(sldb token create ci --read-only --expires 30d)
  sldb token create shop --database orders --database customers
  sldb token create partner --key --expires 2027-01-31
  sldb token create bi --principal arn:aws:iam::123456789012:role/bi
"""


_KEPT_MS = 86_400_000  # of a caller's transactions; its replies for an hour


class _Create(Command):
    """A command whose --database can be given several times, in place of the one of every command."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [each for each in self.params if each.name != "database"]


@command("create", cls=_Create, help=HELP, short_help="Make a caller, and print its token or key.")
@click.argument("name")
@click.option("--read-only", "reads_only", is_flag=True, help="It may read, and not write.")
@click.option(
    "--database",
    "databases",
    multiple=True,
    metavar="NAME",
    help="A database of the caller; several times for several (default: main).",
    shell_complete=completes("databases"),
)
@click.option("--all-databases", "has_all", is_flag=True, help="It has all databases, those made later too.")
@click.option("--expires", metavar="WHEN", help="30d, 12h, 2027-01-31, or never (default).")
@click.option("--key", "is_key", is_flag=True, help="An API key, in place of a token.")
@click.option("--principal", metavar="ARN", help="An AWS user or role, in place of a token.")
@click.option("--subject", metavar="SUB", help="The subject of a JWT, in place of a token.")
def create(
    run: Run,
    name: str,
    reads_only: bool,
    databases: tuple[str, ...],
    has_all: bool,
    expires: str | None,
    is_key: bool,
    principal: str | None,
    subject: str | None,
) -> None:
    from sldb.access import operations
    from sldb.access.stack_access import open_access

    messages.check_format(run.format)
    run.refuse_local("token")
    if has_all and databases:
        raise click.UsageError("--all-databases has no limits that --database could set: give one of them")
    kind, given = _kind(is_key, principal, subject)
    entry = _entry(name, None if has_all else databases or (run.database,), expires, may_write=not reads_only)
    access = open_access(run.aws, run.stack)
    access.require(kind)
    _say_missing(run, () if has_all else sorted(entry.databases or ()))
    _say_earlier(access, entry)
    made = operations.create(access, kind, given, entry)
    try:
        _show(run, access, kind, entry, made)
    except OSError:
        if made.secret is not None:
            operations.revoke(access.document, access.api_keys, made.identity, int(time.time() * 1000))
            messages.say(f"the {kind} could not be printed, and is revoked")
        raise


def _kind(is_key: bool, principal: str | None, subject: str | None) -> tuple[str, str]:
    """Return the kind of API, and the principal or subject given for it."""
    given = [("key", "")] * is_key
    given += [(kind, text) for kind, text in (("iam", principal), ("jwt", subject)) if text is not None]
    if len(given) > 1:
        raise click.UsageError("--key, --principal and --subject are different ways to know a caller: give one of them")
    return given[0] if given else ("token", "")


def _entry(name: str, databases: Sequence[str] | None, expires: str | None, *, may_write: bool) -> Entry:
    from sldb import moments
    from sldb.access.entries import new_entry

    expires_ms = None if expires is None else moments.until_ms(expires)
    return new_entry(name, databases, int(time.time() * 1000), may_write=may_write, expires_ms=expires_ms)


def _say_missing(run: Run, databases: Sequence[str]) -> None:
    """Name the databases without existence yet: they are allowed, and may be mistyped."""
    from sldb.database_creation import suggest_names

    if not databases:
        return
    try:
        with closing(run.client()) as client:
            known = client.database_names()
    except SldbError as error:
        messages.say(f"note: whether the databases exist could not be checked: {error.message}")
        return
    for missing in (each for each in databases if each not in known and each != "main"):
        messages.say(f"note: there is no database {missing} yet; {suggest_names(missing, known)}")


def _say_earlier(access: StackAccess, entry: Entry) -> None:
    """Say that a revoked caller had this name, as long as something is left of it for the new one."""
    from sldb import moments
    from sldb.access.changes import name_ended_ms

    ended_ms = name_ended_ms(access.document.read(), entry.name)
    if ended_ms is not None and ended_ms > entry.created_ms - _KEPT_MS:
        at = moments.shown(ended_ms, to_the_second=True)
        messages.say(
            f"note: an earlier {entry.name} was revoked {at}: this one has its request ids and their replies for an "
            "hour, and its open transactions for a day; another name has none of it"
        )


def _show(run: Run, access: StackAccess, kind: str, entry: Entry, made: Made) -> None:
    from lambda_handlers.shared import times
    from sldb.access.entries import databases_text, scope_text

    address = access.address(kind)
    if run.settings.find("format").is_option and run.format != "table":
        expires = None if entry.expires_ms is None else times.utc(entry.expires_ms)
        fields = (entry.name, kind, databases_text(entry), scope_text(entry), expires, made.identity.partition(":")[2])
        names = ("name", "kind", "databases", "scope", "expires", "id", "secret", "address")
        messages.show_rows(run.format, names, [(*fields, made.secret, address)])
    elif made.secret is not None:
        out = streams.data_out()
        out.write(f"{made.secret}\n")
        out.flush()
    for sentence in _sentences(kind, entry, address):
        messages.say(sentence)


def _sentences(kind: str, entry: Entry, address: str) -> list[str]:
    from sldb import moments
    from sldb.access.entries import rights

    said = [f"{entry.name} may {rights(entry)}, at {address}"]
    if entry.expires_ms is None:
        said.append("It never expires (--expires 30d would limit it).")
    else:
        said.append(f"It expires {moments.shown(entry.expires_ms, to_the_second=True)}.")
    variable = {"token": "SLDB_TOKEN", "key": "SLDB_API_KEY"}.get(kind)
    if variable:
        said.append(f"The {kind} is shown this once; sldb --target takes it from {variable}.")
    if kind == "iam":
        said.append("With SLDB_HTTP_AUTH=iam, sldb --target signs requests as this principal.")
    return said
