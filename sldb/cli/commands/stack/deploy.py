"""The command `sldb deploy`: make the stack, or bring it up to date."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from lambda_handlers.wire import SldbError
from sldb.cli import progress, streams
from sldb.cli.command import Command, command
from sldb.cli.commands.stack.deploy_options import (
    api_options,
    operation_options,
    protection_options,
    queue_options,
    storage_options,
)
from sldb.cli.questions import yes_option
from sldb.cli.run import Run
from sldb.write_outcome import NOT_CHANGED

if TYPE_CHECKING:
    from sldb.deploy.deployment import Deployment
    from sldb.deploy.display import Display
    from sldb.deploy.preparation import Order
    from sldb.stack.state import StackState

_OF_SEVERAL_WORDS = ("--tags", "--untag")
_FIRST_QUERY = 'query "SELECT sqlite_version()"'


class _DeployCommand(Command):
    """The command with several words after --tags and --untag, as in the AWS CLI."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread, option = [], ""
        for position, word in enumerate(args):
            if word.startswith("-"):
                name = word.partition("=")[0]
                option = name if name in _OF_SEVERAL_WORDS else ""
            elif option and args[position - 1] != option:
                spread.append(option)
            spread.append(word)
        return super().parse_args(ctx, spread)


@command("deploy", cls=_DeployCommand)
@yes_option("Apply without asking, even if it removes or replaces resources.")
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be done, and change nothing.")
@click.option("--lock", metavar="KIND", help="The write lock: security-group (default), s3 or none.")
@click.option("--lock-max-age", type=int, metavar="SECONDS", help="Free locks that are older (default: 90).")
@click.option("--memory", type=int, metavar="MB", help="Memory of the function (default: 1024).")
@click.option("--timeout", type=int, metavar="SECONDS", help="The time limit of a request (default: 60).")
@click.option("--architecture", metavar="NAME", help="arm64 (default) or x86_64.")
@click.option("--runtime", metavar="NAME", help="python3.10 to python3.14 (default: python3.13).")
@click.option("--ephemeral-storage", type=int, metavar="MB", help="Size of /tmp, the page cache (default: 512).")
@click.option("--retention-days", type=int, metavar="DAYS", help="Keep the history for this long (default: 30).")
@click.option(
    "--recoverable-days",
    type=int,
    metavar="DAYS",
    help="Keep deleted objects recoverable for this long, as versions (default: 0, not at all).",
)
@click.option("--new-bucket", is_flag=True, help="Create an empty data bucket if the old one is lost.")
@click.option("--function", metavar="NAME", help="Name of the function (default: STACK-function).")
@click.option(
    "--permissions-boundary",
    metavar="ARN",
    help="The policy that limits the rights of the functions' roles; none removes it.",
)
@click.option(
    "--tags",
    multiple=True,
    metavar="KEY=VALUE...",
    help="Tags to add to the stack and its resources.",
)
@click.option("--untag", multiple=True, metavar="KEY...", help="Remove these tags.")
@click.option(
    "--readers/--no-readers",
    default=None,
    help="With or without a function that only reads (default: without).",
)
@click.option(
    "--insights/--no-insights",
    default=None,
    help="Keep the shapes of statements in the log, for `sldb insights`, or not (default: not).",
)
@click.option("--repair", is_flag=True, help="Revert what was changed by hand (sldb status --drift).")
@click.option(
    "--rollback",
    is_flag=False,
    flag_value="",
    metavar="[VERSION]",
    help="Go back to the code, template and settings before, or of this version (sldb status --versions).",
)
@operation_options
@storage_options
@protection_options
@api_options
@queue_options
def deploy(run: Run, yes: bool, only_plan: bool, repair: bool, rollback: str | None, **choices: Any) -> None:
    """Create the stack in your account, or bring it up to date.

    Shows what will change and asks before it does anything. Options that you do not give keep their values; resources
    deleted by hand are recreated. Without a terminal it does not ask: it continues unless a resource would be
    removed or replaced, which needs --yes.

    \b
      sldb deploy
      sldb deploy --plan                           only show what would be done
      sldb deploy --memory 2048 --timeout 120
      sldb deploy --stack orders --lock s3 --yes   a second stack, without EC2
      sldb deploy --tags team=data cost-center=42
      sldb deploy --api token                      an HTTP API in front of it
      sldb deploy --readers                        a function that only reads
      sldb deploy --rollback                       to the version before
      sldb deploy --alarms ops@example.com         a mail if something is wrong
      sldb deploy --insights                       slow statements in the log
      sldb deploy --queue fifo                     a queue of writes, in order
      sldb deploy --storage efs --create-vpc       databases in EFS, with a VPC
    """
    from sldb.deploy.deployment import prepared
    from sldb.deploy.display import Display
    from sldb.deploy.parameters import Choices
    from sldb.deploy.preparation import Order
    from sldb.stack.account import connect

    run.refuse_local("deploy")
    display = Display(sys.stderr, run.complete_commands, progress.show)
    account = connect(run.aws)
    order = Order(run.stack, Choices.of_options(choices), os.environ, only_plan, repair, rollback)
    _check_rollback(order)
    with prepared(account, order, display) as deployment:
        if deployment.plan.up_to_date:
            for note in deployment.plan.notes:
                display.note(note)
            if not only_plan:
                deployment.set_versions()
                _print_json(run, deployment, deployment.describe())
            display.note(f"the stack {run.stack} is up to date")
            return
        display.plan(deployment.plan)
        if only_plan:
            display.note(f"{NOT_CHANGED}: this was only the plan")
            return
        _confirm(deployment, yes)
        state = _apply(deployment, display)
        _show_result(run, deployment, state, display)


def _check_rollback(order: Order) -> None:
    """Raise `bad_request` for other settings beside a version: it is brought back as it was."""
    if order.rollback is not None and order.choices != type(order.choices)():
        message = "--rollback brings a version back as it was, and takes no other settings"
        raise SldbError("bad_request", message, "change settings with another `sldb deploy` after it", applied="no")


def _confirm(deployment: Deployment, yes: bool) -> None:
    from sldb.deploy.plan import refuse_unconfirmed

    if yes:
        return
    if not streams.can_ask():
        refuse_unconfirmed(deployment.plan)
    elif not click.confirm("Go on?", err=True):
        click.echo(NOT_CHANGED, err=True)
        raise click.exceptions.Exit(1)


def _apply(deployment: Deployment, display: Display) -> StackState:
    try:
        with display.following():
            return deployment.apply()
    except KeyboardInterrupt:
        if deployment.executed:
            display.note("AWS continues; `sldb status` shows the progress")
        raise


def _show_result(run: Run, deployment: Deployment, state: StackState, display: Display) -> None:
    from sldb.deploy.plan import Kind

    _print_json(run, deployment, state)
    function = state.outputs["FunctionName"]
    display.note(f"\n{run.stack} is ready: function {function}, databases in {state.databases_place}")
    addresses = deployment.api_addresses(state)
    for kind, address in addresses.items():
        display.note(f"API {kind}: {address}")
    if target := state.outputs.get("ApiDomainTarget"):
        display.note(f"{state.parameters['ApiDomain']} needs a record in its DNS that points at {target}")
    if "token" in addresses:
        display.note(f"a token for an application: {_next_command(run, 'token create NAME')}")
    if deployment.plan.kind is Kind.CREATE:
        display.note(f"next: {_next_command(run, _FIRST_QUERY)}")


def _print_json(run: Run, deployment: Deployment, state: StackState) -> None:
    if run.is_format_given and run.format == "json":
        apis = deployment.api_addresses(state)
        known = {"stack": run.stack, "status": state.status, "outputs": dict(state.outputs), "apis": apis}
        click.echo(json.dumps(known))


def _next_command(run: Run, words: str) -> str:
    """Return a command for the stack, which is named as it was in this one."""
    from sldb.destination import Destination

    options = Destination(stack=run.stack, is_named=run.destination.is_named).options()
    if run.aws.profile:
        options += ["--profile", run.aws.profile]
    if run.aws.region and run.aws.region != os.environ.get("AWS_REGION"):
        options += ["--region", run.aws.region]
    return " ".join(["sldb", *options, words])
