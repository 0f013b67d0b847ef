"""The command `sldb shell`: SQL interactively; from a file or a pipe, a script."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambda_handlers.wire import SldbError
from sldb import __version__
from sldb.cli import errors, progress, streams
from sldb.cli.command import command
from sldb.cli.questions import create_option, yes_option
from sldb.cli.run import Run

if TYPE_CHECKING:
    from sldb.client import Client
    from sldb.shell.session import Session

HELP = """Run SQL interactively.

A statement runs when it ends with ; and Enter is pressed. Everything that is submitted at once is one transaction;
BEGIN opens one until COMMIT. .help lists the dot commands. Ctrl-C drops the input or cancels what runs, Ctrl-D leaves.

When standard input is not a terminal (sldb shell < FILE), SQL that is complete at the end of a line runs, in order and
without prompts; the first error ends the shell with its exit status, and an open transaction is dropped.

\b
  sldb shell
  sldb --local ~/databases shell --database orders
  sldb shell < script.sql
"""


@command("shell", help=HELP, short_help="Run SQL interactively.")
@click.option("--vi", is_flag=True, help="Edit with the keys of vi instead of Emacs.")
@click.option("--no-pager", is_flag=True, help="Print long results without a pager.")
@yes_option("Do not ask before something is destroyed.")
@create_option
def shell(run: Run, vi: bool, no_pager: bool, yes: bool, creates: bool) -> int:
    from sldb.render import check_format
    from sldb.shell.output import Output
    from sldb.shell.saved_queries import SavedQueries
    from sldb.shell.session import Session

    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    format_name, screen = check_format(run.format), streams.screen()
    output = Output(streams.data_out(), sys.stderr, format_name, screen, timing=interactive)
    output.is_format_given = run.settings.find("format").is_option
    queries = SavedQueries(_directory("config") / "queries.json")
    place = _Place(run, creates, reports=interactive)
    with closing(
        Session(place.client(), output, queries=queries, is_interactive=interactive, pull=_pull, open=place.open)
    ) as session:
        if interactive:
            _talk(place, session, vi=vi, pages=not no_pager, asks=not yes)
        else:
            _run_standard_input(session)
    return session.exit_status or 0


@dataclass(slots=True)
class _Place:
    """The destination of the shell, which `.open` changes."""

    run: Run
    creates: bool  # writes may create databases without a question
    reports: bool  # each write at once

    def client(self) -> Client:
        """Return a client of the destination. Raises SldbError for a directory that is not there."""
        client = self.run.client(create=self.creates)
        self.run.check_directory(creates=client.creation.is_allowed)
        return replace(client, on_write=self.run.report_write) if self.reports else client

    def open(self, target: str) -> Client:
        """Go to another target, and return its client. Raises SldbError if it is not there; the destination stays."""
        other = Run()
        given = {name: value for name, value in self.run.settings.given.items() if name not in ("target", "local")}
        if target != "lambda":  # of the same stack
            given.pop("stack", None)
        other.settings.update({**given, "target": target})
        opened = _Place(other, self.creates, reports=True)
        client = opened.client()
        try:
            _look(client)
        except SldbError:
            client.close()
            raise
        self.run = other
        return client


def _look(client: Client) -> None:
    """Raise SldbError if the target does not answer. A database may be missing: the first write creates it."""
    from lambda_handlers.wire import Request, Statement

    try:
        client.execute(Request((Statement("SELECT 1"),), read_only=True))
    except SldbError as error:
        if error.code != "not_found":
            raise


def _run_standard_input(session: Session) -> None:
    from sldb.shell.commands.registry import obey
    from sldb.shell.script import run_script

    streams.refuse_empty_standard_input()
    reconfigure = getattr(sys.stdin, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8-sig")
    try:
        run_script(sys.stdin, session, obey)
    except UnicodeDecodeError as error:
        raise click.UsageError(f"standard input is not UTF-8 text: {error}") from None


def _talk(place: _Place, session: Session, *, vi: bool, pages: bool, asks: bool) -> None:
    from sldb.shell import catalog
    from sldb.shell.schema_names import LiveNames
    from sldb.shell.terminal.editor import edit
    from sldb.shell.terminal.pager import Pager
    from sldb.shell.terminal.prompt import ask_value, confirm, open_history, run_loop

    session.edit, session.ask, session.working = edit, ask_value, progress.show
    if asks:
        session.confirm = lambda what: confirm(session.client.where, what)
    if pages:
        session.output.page = Pager.from_environment(os.environ, session.output.out).show
    session.names = LiveNames(
        lambda: catalog.Names.from_reply(session.peek(catalog.everything())),
        lambda: session.peek(catalog.schema_version()).rows[0][0],
    )
    target = session.client.target.name
    where = session.client.place
    click.echo(streams.styled("soft", f"sldb {__version__} · {where} · .help for help"), err=True)
    if place.run.is_new_directory:
        session.output.say("the directory does not exist yet: the first write creates it", softly=True)

    def show(error: SldbError) -> None:
        error.hint = place.run.complete_commands(error.hint)
        errors.show(error)

    run_loop(session, show, open_history(_history_path(target)), vi=vi)


def _pull(client: Client, path: Path, at: int | None, replace_file: bool) -> str:
    """Write the database to a SQLite file, as `sldb pull` does, and return a sentence about it."""
    from sldb.actions.as_of import label
    from sldb.cli import progress
    from sldb.push_pull import routes
    from sldb.push_pull.pull import Pull, check_place

    check_place(path, replace_file)
    with progress.show() as shown:

        def attempt(route: routes.Route) -> dict[str, Any]:
            one = Pull(route.client, route.transport, shown, is_local=route.name == "directory")
            return one.run(path, at, replace=replace_file, check=True)

        reply = routes.try_routes(client, None, attempt, shown.note)
    return f"{path} is {reply['database']} as of {label(reply['txid'], reply['time'])}"


def _history_path(target: str) -> Path:
    """Return the file of a target's history, with a valid file name for any target."""
    import hashlib

    name = "".join(character if character.isalnum() else "-" for character in target)[-40:].strip("-")
    digest = hashlib.sha256(target.encode()).hexdigest()[:8]
    return _directory("state") / "history" / f"{name}-{digest}.sql"


def _directory(kind: str) -> Path:
    """Return the user's own one for `config` or `state`, as the system has it."""
    import platformdirs

    found: str = getattr(platformdirs, f"user_{kind}_dir")("sldb", appauthor=False)
    return Path(found)
