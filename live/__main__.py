"""The command `python -m live`: name its resources and its cost, ask, run it, and print the report."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone

import click

from lambda_handlers.wire import SldbError
from live import leftovers, plan, report, session
from live.claims import CLAIMS
from live.options import OPTIONS
from live.stage import NAME, Stage, is_emulated, new_name, say
from sldb.aws.options import AwsOptions

MEASURED, MEASURED_HERE = 20, 3  # requests of each kind, on AWS and on an emulated one


@click.command("live")
@click.option("--account", metavar="ID", help="Do not ask: the id of the account that everything is made in.")
@click.option("--only", multiple=True, metavar="OPTION", help="Only this option; may stand several times.")
@click.option("--short", is_flag=True, help="Leave out options that have tests of their own over the emulator.")
@click.option("--list", "lists", is_flag=True, help="List the options and the cost, and make nothing.")
@click.option("--clean", metavar="NAME", help="Take down what a killed run has left: sldb-live-…")
def live(account: str | None, only: tuple[str, ...], short: bool, lists: bool, clean: str | None) -> None:
    """Deploy each option in your account, use it, measure it, check the documentation, and take it down again."""
    emulated = is_emulated(os.environ.get("AWS_ENDPOINT_URL", ""))
    if clean is not None and not NAME.fullmatch(clean):
        raise click.UsageError(f"--clean: {clean} is no name of a live check (sldb-live- and six hex digits)")
    stage = Stage(clean or new_name(), AwsOptions(region=os.environ.get("AWS_REGION") or None), is_emulated=emulated)
    options = [option for option in OPTIONS if (option.name in only if only else option.is_short or not short)]
    if len(options) < len(set(only)) or not options:
        raise click.UsageError(f"--only: the options are {', '.join(option.name for option in OPTIONS)}")
    if lists:
        say(plan.announcement(stage.name, "…", "…", options))
        return
    _connect(stage)
    if clean:
        _confirm(stage, account, f"All that has the name {clean} is deleted.")
        sys.exit(_say_left(session.take_down(stage), session.look(stage, leftovers.pending)))
    _confirm(stage, account, plan.announcement(stage.name, stage.account.id, stage.account.region, options))
    outcome = session.perform(session.Run(stage, options, CLAIMS, MEASURED_HERE if emulated else MEASURED))
    day = datetime.now(timezone.utc).date().isoformat()
    place = "an emulated AWS (its times say nothing about AWS)" if emulated else f"AWS, {stage.account.region}"
    click.echo("\n".join(report.lines(outcome, f"{place}, {day}")))
    if outcome.left:
        say(f"delete them by hand, or: python -m live --clean {stage.name}")
    sys.exit(130 if outcome.is_interrupted else int(not outcome.is_good))


def _connect(stage: Stage) -> None:
    """Raise ClickException if AWS cannot be reached with the credentials of the environment."""
    try:
        assert stage.account.id
    except SldbError as error:
        raise click.ClickException(": ".join(filter(None, (error.message, error.hint)))) from error


def _confirm(stage: Stage, account: str | None, what: str) -> None:
    """Ask for the account's id. Raises UsageError without a terminal, and for another account."""
    say(what)
    if stage.is_emulated:
        return
    if account is None and not sys.stdin.isatty():
        raise click.UsageError("this is a real account, and there is no terminal to ask on: --account ID")
    given = account or click.prompt("Type the id of the account to go on", err=True)
    if given != stage.account.id:
        raise click.UsageError(f"{given} is not the account {stage.account.id}: nothing was made")


def _say_left(left: list[str], pending: list[str]) -> int:
    say(f"left: {', '.join(left)}" if left else "nothing is left")
    if pending:
        say(f"pending deletion, and free until then: {', '.join(pending)}")
    return int(bool(left))


if __name__ == "__main__":
    live()
