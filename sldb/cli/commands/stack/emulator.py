"""The command `sldb emulator`: an AWS on loopback, for as long as it runs or for one command."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages, progress
from sldb.cli.command import CommandGroup, command, command_group

if TYPE_CHECKING:
    from sldb.cli.run import Run
    from sldb.emulator import Emulator

_CMD = "sldb.emulator.command_line"


class _EmulatorCommand(CommandGroup):
    """The command with its subcommand, or with a program to run after --."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            ctx.meta[_CMD] = tuple(args[args.index("--") + 1 :])
            args = args[: args.index("--")]
        return super().parse_args(ctx, args)


@command_group("emulator", cls=_EmulatorCommand, subcommand_metavar="[env | -- CMD [ARGUMENT]...]")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Listen on this port (default: a free one).")
@click.option("--data", type=click.Path(path_type=Path), metavar="DIR", help="Keep everything in DIR between runs.")
@click.option(
    "--minute-seconds",
    type=click.FloatRange(min=0.1),
    default=60.0,
    metavar="SECONDS",
    help="How long a minute of the schedule takes (default: 60).",
)
@click.pass_context
def emulator(ctx: click.Context, /, _run: Run, port: int | None, data: Path | None, minute_seconds: float) -> int:
    """Serve an AWS for this stack on this machine.

    S3, EC2, IAM, CloudFormation, Lambda, API Gateway, SQS, SNS, EFS, KMS, CloudWatch, secrets and the schedule:
    deployed functions run for real, in containers that are processes here. Without CMD it serves until Ctrl-C. With
    CMD it runs CMD against it, then stops, with the exit status of CMD.

    Everything in it ends with it, unless --data names a directory: then stacks, buckets, functions, roles and logs
    are there again at the next start, at the same port if it is free, also after a kill -9.

    \b
      sldb emulator --data ~/emulator
      eval "$(sldb emulator env)"      in another terminal, then sldb deploy
      sldb emulator -- sh -c 'sldb deploy --yes && sldb shell'
    """
    if ctx.invoked_subcommand is not None:
        return 0
    from sldb.emulator import running

    users, data = dict(os.environ), data.expanduser().absolute() if data else None
    command_line: tuple[str, ...] = ctx.meta.get(_CMD, ())
    with running.without_users_aws(), _started(port, data, minute_seconds) as aws:
        if command_line:
            return running.run(list(command_line), aws)
        from sldb.emulator.announcements import Announcement, announced

        environment = aws.environment()
        with announced(Announcement(os.getpid(), aws.port, str(data) if data else None, environment)):
            for line in running.export_lines(environment, users):
                click.echo(line)
            _say_what_to_do(aws, data)
            return running.wait_for_signal()


def _say_what_to_do(aws: Emulator, data: Path | None) -> None:
    kept = f"Its state is kept in {data}" if data else "Its state ends with it (--data DIR keeps it)"
    messages.say(f"The emulated AWS listens at {aws.url}. {kept}. Ctrl-C stops it.")
    messages.say("In another terminal:")
    messages.say('  eval "$(sldb emulator env)"')
    messages.say("  sldb deploy")


@command("env", short_help="Print the environment for the running emulator.")
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="That of the emulator, if several run.")
@click.option("--data", type=click.Path(path_type=Path), metavar="DIR", help="Its directory, if several run.")
def env(_run: Run, port: int | None, data: Path | None) -> None:
    """Print the lines for a shell whose programs are to use the running emulator.

    \b
      eval "$(sldb emulator env)"
      sldb emulator env --port 5000
    """
    from sldb.emulator import announcements, running

    found = announcements.find(port, data)
    for line in running.export_lines(found.environment, os.environ):
        click.echo(line)


def _started(port: int | None, data: Path | None, minute_seconds: float) -> Emulator:
    with progress.show("starting the emulated AWS"):
        return _open(port, data, minute_seconds)


def _open(port: int | None, data: Path | None, minute_seconds: float) -> Emulator:
    try:
        from sldb.emulator.front.server import Emulator
        from sldb.emulator.state import ports
    except ModuleNotFoundError as error:
        raise SldbError(
            "bad_request", f"the emulator needs {error.name}, which is not installed", "pip install 'sldb[emulator]'"
        ) from error
    earlier = ports.read(data) if data and port is None else None
    if earlier is not None:
        with suppress(OSError):  # another program has the port now
            return Emulator(earlier, minute_seconds=minute_seconds, data=data)
    try:
        aws = Emulator(port or 0, minute_seconds=minute_seconds, data=data)
    except OSError as error:
        raise SldbError(
            "bad_request", f"cannot listen on port {port}: {error.strerror}", "leave --port out to have a free one"
        ) from error
    if data:
        ports.write(data, aws.port)
    return aws


emulator.add_command(env)
