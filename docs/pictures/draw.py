"""Draws the pictures of the README: real sessions in tmux, their screens as SVG.

python docs/pictures/draw.py [shell | query]          (or: make pictures; needs tmux, and sldb[emulator] for query)
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.ansi import AnsiDecoder
from rich.console import Console

COLUMNS = 92
SETTLE_SECONDS = 1.5  # after a prompt: tmux does not say when a program has drawn what it will draw
PATIENCE_SECONDS = 180.0
PROMPTS = ("local:peaks/main>", "…", "$")  # and questions
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Picture:
    name: str
    title: str
    command: str  # of the shell; {sldb} is the command `sldb`
    lines: tuple[str, ...]  # that are typed
    height: int
    rest: str = ""  # typed at the end, without Enter


PICTURES = (
    Picture(
        "shell",
        "sldb shell",
        "exec {sldb} --local peaks shell",
        (
            "CREATE TABLE peaks (name TEXT PRIMARY KEY, metres INT, climbed INT);",
            "INSERT INTO peaks VALUES ('Everest', 8849, 1953), ('Denali', 6190, 1913),",
            "                         ('Elbrus', 5642, NULL);",
            "SELECT name, metres,",
            "       climbed FROM peaks ORDER BY metres DESC;",
            "SELECT nme FROM peaks;",
            "DELETE FROM peaks WHERE metres < 6000;",
            "y",
            ".schema",
        ),
        33,
        rest="SELECT count(*) FROM p",
    ),
    Picture(
        "query",
        "sldb query",
        "exec {sldb} emulator -- sh -c 'sldb deploy --yes >/dev/null 2>&1; clear; exec bash --norc --noprofile'",
        (
            'sldb query "CREATE TABLE peaks (name TEXT PRIMARY KEY, metres INT)"',
            "sldb query \"INSERT INTO peaks VALUES ('Everest', 8849), ('Denali', 6190)\"",
            'sldb query "SELECT * FROM peaks WHERE metres > :m" -p m=6000 --stats',
            'sldb query "SELECT name, meters FROM peaks"',
        ),
        24,
    ),
)


def tmux(*arguments: str) -> str:
    return subprocess.run(
        ["tmux", "-L", "sldb-picture", *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def type_line(line: str) -> None:
    # tmux takes a semicolon at the end of an argument for its own.
    tmux("send-keys", "-t", "picture", "-l", line.removesuffix(";") + ("\\;" if line.endswith(";") else ""))
    tmux("send-keys", "-t", "picture", "Enter")
    wait_for_prompt()


def wait_for_prompt() -> None:
    """Wait until the line of the cursor is a prompt, and nothing else."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        row = int(tmux("display-message", "-t", "picture", "-p", "#{cursor_y}"))
        line = (tmux("capture-pane", "-t", "picture", "-p").splitlines() + [""] * (row + 1))[row].strip()
        if line in PROMPTS or line.endswith("[y/N]:"):
            time.sleep(SETTLE_SECONDS)
            return
        time.sleep(SETTLE_SECONDS / 10)
    raise SystemExit("no prompt has appeared: see `tmux -L sldb-picture attach`")


def screen_of(picture: Picture) -> str:
    # What ran in there may still be on its way out.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        binary = Path(directory) / "sldb"
        binary.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sldb "$@"\n')
        binary.chmod(0o755)
        environment = {
            "HOME": directory,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "COLORFGBG": "'15;0'",  # light on dark, as the picture is
            "LANG": "C.UTF-8",
            "PATH": f"{directory}:{os.environ['PATH']}",
            "PS1": "'$ '",
        }
        exports = " ".join(f"{name}={value}" for name, value in environment.items())
        command = f"cd {directory} && export {exports} && {picture.command.format(sldb='sldb')}"
        size = ("-x", str(COLUMNS), "-y", str(picture.height))
        tmux("new-session", "-d", "-s", "picture", *size, command)
        try:
            wait_for_prompt()
            for line in picture.lines:
                type_line(line)
            if picture.rest:
                tmux("send-keys", "-t", "picture", "-l", picture.rest)
                time.sleep(SETTLE_SECONDS)
            return tmux("capture-pane", "-t", "picture", "-p", "-e")
        finally:
            tmux("kill-server")


def draw(picture: Picture, screen: str) -> None:
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        for line in AnsiDecoder().decode(screen.rstrip("\n")):
            console.print(line, soft_wrap=True)
        svg = console.export_svg(
            title=picture.title, code_format=_without_web_fonts(CONSOLE_SVG_FORMAT), unique_id="sldb"
        )
    # Some renderers take even no-break spaces for spaces, and drop them at both ends of a text.
    (HERE / f"{picture.name}.svg").write_text(svg.replace("<text ", '<text xml:space="preserve" '))


def _without_web_fonts(svg_format: str) -> str:
    """Take the fonts out: a picture in a README fetches nothing, and is shown in the reader's own monospace font."""
    start, end = svg_format.index("@font-face"), svg_format.index(".{unique_id}-matrix")
    return svg_format[:start] + svg_format[end:].replace(
        "Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace"
    )


if __name__ == "__main__":
    for one in PICTURES:
        if one.name in (sys.argv[1:] or [one.name]):
            draw(one, screen_of(one))
