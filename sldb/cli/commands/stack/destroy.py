"""The command `sldb destroy`: take the stack down; the databases stay, except with --delete-data."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from lambda_handlers.wire import SldbError
from sldb.cli import streams
from sldb.cli.command import command
from sldb.cli.questions import yes_option
from sldb.cli.run import Run
from sldb.write_outcome import NOT_CHANGED

if TYPE_CHECKING:
    from sldb.deploy.display import Display
    from sldb.deploy.teardown import TeardownPlan


@command("destroy")
@yes_option()
@click.option("--delete-data", is_flag=True, help="Delete all databases, with all their history, too.")
def destroy(run: Run, yes: bool, delete_data: bool) -> None:
    """Take the stack down.

    Only resources of sldb are touched: another stack or bucket of the same name is left alone.
    The callers of its APIs lose their rights, and their API keys are deleted.
    The databases stay in their bucket, and a later `sldb deploy` of the same stack serves them again; those in a file
    system of EFS stay there, and `sldb deploy --storage efs` serves them. With --delete-data they are deleted as well,
    for good: that asks for the stack's name, or for --yes.

    \b
      sldb destroy
      sldb destroy --stack orders --delete-data
    """
    from sldb.deploy import teardown
    from sldb.deploy.display import Display
    from sldb.stack.account import connect
    from sldb.stack.ownership import no_such_stack

    run.refuse_local("destroy")
    display = Display(sys.stderr, run.complete_commands)
    account = connect(run.aws)
    plan = teardown.plan_teardown(account, run.stack, delete_data=delete_data)
    if plan.has_nothing:
        raise no_such_stack(run.stack, account.region, account.id)
    if plan.state is None:
        display.note(f"there is no stack {run.stack} in {account.region}, account {account.id}")
    if plan.is_empty and not (delete_data and plan.has_data):
        _say_what_stays(plan, display, deleted=False)
        return
    if not yes:
        _confirm(run.stack, plan, delete_data)
    with display.following():
        teardown.tear_down(account, plan, display, delete_data=delete_data)
    if plan.state is not None:
        display.note(f"the stack {run.stack} is gone")
    _say_what_stays(plan, display, deleted=delete_data)


def _confirm(stack: str, plan: TeardownPlan, delete_data: bool) -> None:
    if not streams.can_ask():
        raise SldbError(
            "bad_request", "destroy asks before it does anything, and there is no terminal", "add --yes to confirm it"
        )
    if not delete_data or not plan.has_data:
        if not click.confirm(f"Take down the stack {stack}? The databases stay.", err=True):
            raise click.exceptions.Exit(1)
        return
    click.echo(
        f"This deletes ALL databases of the stack {stack}, in {plan.places}, with their history, for good.",
        err=True,
    )
    if (
        click.prompt(f"Type the name of the stack ({stack}) to continue", err=True, default="", show_default=False)
        != stack
    ):
        click.echo(f"not the name of the stack: {NOT_CHANGED}", err=True)
        raise click.exceptions.Exit(1)


def _say_what_stays(plan: TeardownPlan, display: Display, *, deleted: bool) -> None:
    for kept in plan.kept:
        display.note(kept)
    if not plan.has_data or deleted:
        return
    for place in plan.ways_back():
        display.note(place)
    display.note("`sldb destroy --delete-data` deletes them")
