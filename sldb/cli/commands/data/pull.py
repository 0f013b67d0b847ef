"""The command `sldb pull`: a database as a SQLite file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sldb.cli import messages, moment_options, progress, streams
from sldb.cli.command import command
from sldb.cli.old_spellings import old_spelling
from sldb.cli.questions import yes_option
from sldb.cli.run import Run
from sldb.write_outcome import NOT_CHANGED

if TYPE_CHECKING:
    from sldb.push_pull.routes import Route

HELP = """Write the database to a SQLite file, as it is or as it was.

The file appears once it is complete and checked, or not at all. It holds the state at one transaction, whatever is
written to the database meanwhile. If it is stopped before the end, the same command again continues where it stopped.

\b
  sldb pull app.db
  sldb pull before.db --at "2h ago"
"""


@command("pull", help=HELP, short_help="Write a database to a SQLite file.")
@click.argument("out", type=click.Path(path_type=Path))
@moment_options.at_option("As it was then")
@yes_option("Do not ask before an existing file is replaced.")
@old_spelling("-f", now="--yes", is_flag=True)
@old_spelling("--force", now="--yes", is_flag=True)
@click.option(
    "--through", type=click.Choice(["bucket", "function"]), help="Use only this route (default: the first that works)."
)
@click.option("--check/--no-check", default=True, help="Have SQLite check for damage before the file appears.")
def pull(run: Run, out: Path, at: str | None, yes: bool, through: str | None, check: bool) -> int:
    from sldb.push_pull import routes
    from sldb.push_pull.pull import Pull, check_place

    messages.check_format(run.format)
    replace = yes
    if out.is_file() and not yes and streams.can_ask():
        replace = click.confirm(f"{out} already exists. Overwrite it?", err=True)
        if not replace:
            messages.say(NOT_CHANGED)
            return 1
    check_place(out, replace)
    moment = moment_options.parse_moment(at)
    with progress.show() as shown, closing(run.client()) as client:

        def attempt(route: Route) -> dict[str, Any]:
            one = Pull(route.client, route.transport, shown, is_local=route.name == "directory")
            return one.run(out, moment, replace=replace, check=check)

        reply = routes.try_routes(client, through, attempt, shown.note)
    _show_result(run, reply, out)
    return 0


def _show_result(run: Run, reply: dict[str, Any], out: Path) -> None:
    from sldb.actions.as_of import label, warnings
    from sldb.report import size

    fields = {name: value for name, value in reply.items() if name != "files"}
    messages.show_reply(
        run.format,
        {**fields, "file": str(out)},
        f"{out} is {reply['database']} as of {label(reply['txid'], reply['time'])} · "
        f"{size(reply['pages'] * reply['page_size'])}",
        *warnings(reply["txid"], reply["time"]),
    )
