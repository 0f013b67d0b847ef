"""A terminal with a user at it: tmux, its keys and its screen."""

from __future__ import annotations

import shlex
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence

COLUMNS, LINES = 80, 24
MAX_SECONDS = 60.0  # reached by failures only


class Tmux:
    """A process on a screen of its own. `close` ends both."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], term: str = "tmux-256color") -> None:
        self._socket = f"sldb-{uuid.uuid4().hex[:12]}"
        exports = [f"{name}={value}" for name, value in {**environment, "TERM": term}.items()]
        inside = shlex.join(["env", "-i", *exports, *command])
        size = ("-x", str(COLUMNS), "-y", str(LINES))
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "it", *size, f"exec {inside}; read")
        self._tmux("set-option", "-g", "remain-on-exit", "on")

    def type(self, text: str) -> None:
        # tmux takes a semicolon at the end of an argument for its own.
        self._tmux("send-keys", "-t", "it", "-l", "--", text[:-1] + "\\;" if text.endswith(";") else text)

    def press(self, *keys: str) -> None:
        """Keys by tmux's names: Enter, C-c, Up."""
        self._tmux("send-keys", "-t", "it", *keys)

    def enter(self, line: str) -> None:
        self.type(line)
        self.press("Enter")

    def paste(self, text: str) -> None:
        """Paste as a terminal does, in brackets if the program asked for them."""
        subprocess.run(
            ["tmux", "-L", self._socket, "load-buffer", "-"], input=text, check=True, encoding="utf-8", timeout=30
        )
        self._tmux("paste-buffer", "-p", "-t", "it")

    def resize(self, columns: int, lines: int) -> None:
        self._tmux("resize-window", "-t", "it", "-x", str(columns), "-y", str(lines))

    def screen(self, *, colours: bool = False) -> str:
        """Return the visible text."""
        return self._tmux("capture-pane", "-t", "it", "-p", *(["-e"] if colours else []))

    def wait_for(self, text: str) -> str:
        """The screen once `text` is on it."""
        return self.wait(lambda screen: text in screen, text)

    def wait(self, holds: Callable[[str], bool], what: str) -> str:
        ends_at = time.monotonic() + MAX_SECONDS
        while not holds(screen := self.screen()):
            assert time.monotonic() < ends_at, f"{what!r} did not come; there was:\n{screen}"
            time.sleep(0.05)
        return screen

    def close(self) -> None:
        subprocess.run(["tmux", "-L", self._socket, "kill-server"], check=False, capture_output=True, timeout=30)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, *arguments], check=True, capture_output=True, encoding="utf-8", timeout=30
        )
        return done.stdout
