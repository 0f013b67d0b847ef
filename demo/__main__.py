"""The command `sldb emulator -- python -m demo`: show the scenes; on a terminal, leave the user in the shell."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

import click

from demo import scenes
from demo.stage import Derailed, Stage


@click.command("demo")
@click.option(
    "--pace",
    type=click.FloatRange(min=0),
    default=1.0,
    help="On a terminal: 1 as a person types (default), 0.5 twice as fast, 0 at once.",
)
def demo(pace: float) -> None:
    """Deploy to an emulated AWS and use the databases there; on a terminal, end in the shell."""
    if not _is_emulated(os.environ.get("AWS_ENDPOINT_URL", "")):
        raise click.UsageError("the demo is for an emulated AWS: sldb emulator -- python -m demo")
    stage = Stage(os.environ, pace=pace)
    try:
        for number, scene in enumerate(scenes.SCENES, start=1):
            play(stage, number, scene)
    except Derailed as error:
        raise click.ClickException(f"the demo stops here: {error}") from error
    _end(stage)


def play(stage: Stage, number: int, scene: scenes.Scene) -> None:
    """Show one scene. Raises Derailed for an unexpected end of a command."""
    stage.title(number, scene.title, scene.remark)
    for step in scene.steps:
        match step:
            case scenes.Command(text, status):
                stage.run(text, status)
            case scenes.LostWriter(sql):
                from demo.lost_writer import kill_writer

                kill_writer(stage, sql)


def _end(stage: Stage) -> None:
    if not (sys.stdin.isatty() and stage.is_terminal):
        stage.say("\nThis is the end of the demo. On a terminal, the demo ends in `sldb shell`.")
        return
    stage.title(len(scenes.SCENES) + 1, "Your turn", "The emulated AWS runs until you leave the shell with .quit.")
    stage.show("sldb shell")
    stage.become(["sldb", "shell"])


def _is_emulated(endpoint: str) -> bool:
    """Return True for an endpoint on this machine: the demo must never deploy to a real account."""
    return urlsplit(endpoint).hostname in ("127.0.0.1", "localhost", "::1")


if __name__ == "__main__":
    demo()
