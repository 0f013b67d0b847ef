"""`sldb emulator -- python -m sldb.demo`: show the scenes; on a terminal, leave the user in the shell."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

import click

from sldb.demo import scenes
from sldb.demo.stage import Derailed, Stage


def main() -> int:
    if not _is_emulated(os.environ.get("AWS_ENDPOINT_URL", "")):
        click.echo("the demo is for an emulated AWS: sldb emulator -- python -m sldb.demo", err=True)
        return 2
    stage = Stage(os.environ)
    try:
        for number, scene in enumerate(scenes.SCENES, start=1):
            play(stage, number, scene)
    except Derailed as error:
        click.echo(f"\nthe demo stops here: {error}", err=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return _end(stage)


def play(stage: Stage, number: int, scene: scenes.Scene) -> None:
    stage.title(number, scene.title, scene.remark)
    for step in scene.steps:
        match step:
            case scenes.Command(text, status):
                stage.run(text, status)
            case scenes.LostWriter(sql):
                from sldb.demo.lost_writer import lose

                lose(stage, sql)


def _end(stage: Stage) -> int:
    if not (sys.stdin.isatty() and stage.is_terminal):
        stage.say("\nThat was all of it. On a terminal, the demo ends in `sldb shell`.")
        return 0
    stage.title(len(scenes.SCENES) + 1, "Your turn", "This AWS lasts as long as the shell. Leave it with .quit")
    stage.show("sldb shell")
    stage.become(["sldb", "shell"])
    return 0  # not reached: we are the shell now


def _is_emulated(endpoint: str) -> bool:
    """Whether it is on this machine: the demo must never deploy to somebody's account."""
    return urlsplit(endpoint).hostname in ("127.0.0.1", "localhost", "::1")


if __name__ == "__main__":
    sys.exit(main())
