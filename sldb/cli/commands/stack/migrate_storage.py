"""The command `sldb migrate-storage`: move the databases of a stack to another store."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from lambda_handlers.wire import SldbError
from sldb.cli import progress, streams
from sldb.cli.command import command
from sldb.cli.commands.stack.deploy_options import network_options
from sldb.cli.questions import yes_option
from sldb.cli.run import Run
from sldb.write_outcome import NOT_CHANGED

if TYPE_CHECKING:
    from sldb.deploy.storage.options import StorageChoices
    from sldb.stack.state import StackState


@command("migrate-storage")
@yes_option()
@click.argument("storage", metavar="s3|efs", type=click.Choice(["s3", "efs"]))
@network_options
@click.option("--abort", is_flag=True, help="Go back: write again where the databases are.")
def migrate_storage(run: Run, yes: bool, storage: str, abort: bool, **network: Any) -> None:
    """Move the databases of the stack to S3 or EFS.

    All databases move, with their whole history. They are copied while they are in use; then writes are refused for as
    long as a request may run, and a little longer. The same command continues an interrupted move; the old files stay.

    \b
      sldb migrate-storage efs --create-vpc
      sldb migrate-storage s3
      sldb migrate-storage efs --abort
    """
    from sldb.deploy.deployment import prepared
    from sldb.deploy.display import Display
    from sldb.deploy.parameters import Choices
    from sldb.deploy.preparation import Order
    from sldb.deploy.storage.options import StorageChoices
    from sldb.move.moving import Move, stores_of
    from sldb.ops.status import serving
    from sldb.stack.account import connect

    run.refuse_local("migrate-storage")
    display = Display(sys.stderr, run.complete_commands, progress.show)
    account = connect(run.aws)
    state = serving(account, run.stack)

    def deploy(choices: StorageChoices) -> StackState:
        order = Order(run.stack, Choices(storage=choices), os.environ)
        with prepared(account, order, display) as deployment:
            if deployment.plan.up_to_date:
                return deployment.describe()
            with display.following():
                return deployment.apply()

    stores = stores_of(account, run.aws)
    move = Move(stores, storage, StorageChoices(**network), deploy, display.note, progress.show)
    move.check(state, aborts=abort)
    if not yes:
        _confirm(f"Take the move of {run.stack} back?" if abort else _question(run.stack, storage, state))
    (move.abort if abort else move.run)(state)


def _question(stack: str, storage: str, state: StackState) -> str:
    seconds = state.parameters.get("Timeout", "60")
    return f"Move the databases of {stack} to {storage}? Writes are refused at the end, for {seconds} s and more."


def _confirm(question: str) -> None:
    if not streams.can_ask():
        message = "migrate-storage asks before it does anything, and there is no terminal"
        raise SldbError("bad_request", message, "add --yes to confirm it")
    if not click.confirm(question, err=True):
        click.echo(NOT_CHANGED, err=True)
        raise click.exceptions.Exit(1)
