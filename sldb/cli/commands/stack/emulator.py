"""The command `sldb emulator`: an AWS on loopback, for as long as it runs or for one command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from lambda_handlers.wire import SldbError
from sldb.cli.command import command

if TYPE_CHECKING:
    from sldb.cli.run import Run
    from sldb.emulator import Emulator


@command("emulator")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Listen on this port (default: a free one).")
@click.option(
    "--minute-seconds",
    type=click.FloatRange(min=0.1),
    default=60.0,
    help="How long a minute of the schedule takes (default: 60).",
)
@click.argument("command_line", metavar="[-- CMD [ARGUMENT]...]", nargs=-1, type=click.UNPROCESSED)
def emulator(_run: Run, port: int, minute_seconds: float, command_line: tuple[str, ...]) -> int:
    """Serve an AWS for this stack on this machine.

    S3, EC2, IAM, CloudFormation, Lambda and the schedule: deployed functions run for real, in containers that
    are processes here. Without CMD it serves until Ctrl-C. With CMD it runs CMD against it, then stops, with the
    exit status of CMD.

    \b
    sldb emulator -- sh -c 'sldb deploy --yes && sldb shell'
    """
    from sldb.emulator import running

    users = dict(os.environ)
    with running.without_users_aws(), _open(port, minute_seconds) as aws:
        if command_line:
            return running.run(list(command_line), aws)
        for line in running.export_lines(aws.environment(), users):
            click.echo(line)
        click.echo(f"The emulated AWS listens at {aws.url}. Ctrl-C stops it.", err=True)
        return running.wait_for_signal()


def _open(port: int, minute_seconds: float) -> Emulator:
    try:
        from sldb.emulator.front.server import Emulator
    except ModuleNotFoundError as error:
        raise SldbError(
            "bad_request", f"the emulator needs {error.name}, which is not installed", "pip install 'sldb[emulator]'"
        ) from error
    try:
        return Emulator(port, minute_seconds=minute_seconds)
    except OSError as error:
        raise SldbError(
            "bad_request", f"cannot listen on port {port}: {error.strerror}", "leave --port out to have a free one"
        ) from error
