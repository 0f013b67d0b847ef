"""The wait for a signal ends at whichever instruction the signal arrives."""

from __future__ import annotations

import signal
import sys
import threading
from itertools import count
from types import FrameType
from typing import Any

import pytest

from sldb.emulator import running


@pytest.mark.parametrize("line", range(16))
def test_a_signal_at_any_line_ends_the_wait(line: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its handler runs between two lines, with all locks held that are held there."""
    monkeypatch.setattr(running, "CHECK_SECONDS", 0.01)
    received, lines = running._Received(), count()

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        if event == "line" and next(lines) == line:
            received.handle(signal.SIGINT, frame)
        return trace

    def wait() -> None:
        sys.settrace(trace)
        received.wait()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
