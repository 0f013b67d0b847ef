"""The stage: commands are shown as a person would type them, and run, each followed by its own output.

Colours and the pace of typing are for terminals. Children write to our standard output themselves, standard error
included, so that all output keeps its order in time.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence

import click

WIDTH = 80
KEY_SECONDS = 0.012  # between two characters
LOOK_SECONDS = 0.7  # to read what a command has printed


class Derailed(Exception):
    """The unexpected end of a command; the message names the command and its status."""


class Stage:
    """A terminal or file for the demo. `environment`: of the commands; `sldb` is found beside this Python first."""

    def __init__(self, environment: Mapping[str, str], *, pace: float = 1.0) -> None:
        scripts = sysconfig.get_path("scripts")
        self.environment = {
            **environment,
            "PATH": os.pathsep.join(filter(None, (scripts, environment.get("PATH")))),
        }
        self.is_terminal = sys.stdout.isatty()
        self._pace = pace if self.is_terminal else 0.0

    def title(self, number: int, text: str, remark: str) -> None:
        head = f"── {number}  {text} "
        self._write(f"\n{click.style(head + '─' * (WIDTH - len(head)), fg='cyan')}\n")
        self._write(f"{click.style(remark, dim=True)}\n")

    def run(self, text: str, status: int = 0) -> None:
        """Show and run a command. Raises Derailed for another exit status."""
        self.show(text)
        got = self._popen(arguments(text)).wait()
        if got != status:
            raise Derailed(f"`{text}` ended with exit status {got} instead of {status}")
        self.rest()

    def start(self, text: str) -> subprocess.Popen[bytes]:
        """Run it in the background."""
        self.show(f"{text} &")
        return self._popen(arguments(text))

    def show(self, text: str) -> None:
        """Write a prompt, and the command as if typed."""
        self._write(f"\n{click.style('$', fg='green', bold=True)} ")
        lines = text.split("\n")
        for i, line in enumerate(lines):
            self._type(line if i == len(lines) - 1 else f"{line}\n")
        self._write("\n")

    def say(self, text: str) -> None:
        self._write(f"{text}\n")

    def rest(self) -> None:
        time.sleep(LOOK_SECONDS * self._pace)

    def become(self, command: Sequence[str]) -> None:
        """Replace this process by the command: it then owns the terminal and its signals."""
        sys.stdout.flush()
        os.execvpe(command[0], list(command), self.environment)

    def _popen(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        sys.stdout.flush()
        return subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def _type(self, text: str) -> None:
        if not self._pace:
            self._write(click.style(text, bold=True))
            return
        for character in text:
            self._write(click.style(character, bold=True) if character != "\n" else character)
            time.sleep(KEY_SECONDS * self._pace)

    def _write(self, text: str) -> None:
        plain = not self.is_terminal or bool(self.environment.get("NO_COLOR"))
        click.echo(click.unstyle(text) if plain else text, nl=False)


def arguments(text: str) -> list[str]:
    """Split a command into words, as a shell would split it."""
    return shlex.split(text.replace("\\\n", " "))
