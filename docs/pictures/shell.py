"""Draws docs/pictures/shell.svg: a real session of `sldb shell` in tmux, its screen as an SVG.

python docs/pictures/shell.py          (or: make pictures; needs tmux)
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.ansi import AnsiDecoder
from rich.console import Console

COLUMNS, LINES = 92, 30
SETTLE_SECONDS = 1.5  # tmux does not say when a program has drawn what it will draw
HERE = Path(__file__).parent
SESSION = [
    "CREATE TABLE peaks (name TEXT PRIMARY KEY, metres INT, climbed INT);",
    "INSERT INTO peaks VALUES ('Everest', 8849, 1953), ('Denali', 6190, 1913),",
    "                         ('Elbrus', 5642, NULL);",
    "SELECT name, metres,",
    "       climbed FROM peaks ORDER BY metres DESC;",
    "SELECT nme FROM peaks;",
    "DELETE FROM peaks WHERE metres < 6000;",
    ".schema",
]


def tmux(*arguments: str) -> str:
    return subprocess.run(
        ["tmux", "-L", "sldb-picture", *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def type_line(line: str) -> None:
    # tmux takes a semicolon at the end of an argument for its own.
    tmux("send-keys", "-t", "picture", "-l", line.removesuffix(";") + ("\\;" if line.endswith(";") else ""))
    tmux("send-keys", "-t", "picture", "Enter")
    time.sleep(SETTLE_SECONDS)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        environment = {"HOME": directory, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        exports = " ".join(f"{name}={value}" for name, value in environment.items())
        command = f"cd {directory} && exec env {exports} {sys.executable} -m sldb --local peaks shell"
        tmux("new-session", "-d", "-s", "picture", "-x", str(COLUMNS), "-y", str(LINES), command)
        try:
            time.sleep(SETTLE_SECONDS)
            for line in SESSION:
                type_line(line)
            tmux("send-keys", "-t", "picture", "-l", "SELECT count(*) FROM p")
            time.sleep(SETTLE_SECONDS)
            screen = tmux("capture-pane", "-t", "picture", "-p", "-e")
        finally:
            tmux("kill-server")
    draw(screen)


def draw(screen: str) -> None:
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        for line in AnsiDecoder().decode(screen.rstrip("\n")):
            console.print(line, soft_wrap=True)
        svg = console.export_svg(
            title="sldb shell", code_format=_without_web_fonts(CONSOLE_SVG_FORMAT), unique_id="sldb"
        )
    (HERE / "shell.svg").write_text(svg)


def _without_web_fonts(svg_format: str) -> str:
    """A picture in a README fetches nothing: the reader's own monospace font is used."""
    start, end = svg_format.index("@font-face"), svg_format.index(".{unique_id}-matrix")
    return svg_format[:start] + svg_format[end:].replace(
        "Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace"
    )


if __name__ == "__main__":
    main()
