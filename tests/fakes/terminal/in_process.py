"""sldb's commands, run in this process with streams of their own."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import pytest

from sldb.cli.main import run


def run_command(arguments: Sequence[str], stdin: str = "") -> tuple[int, str, str]:
    """Return the exit status, and what it printed on standard output and standard error."""
    printed = io.BytesIO(), io.BytesIO()
    out, err = (io.TextIOWrapper(each, "utf-8", newline="") for each in printed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        status = run(list(arguments))
        out.flush()
        err.flush()
    return status, printed[0].getvalue().decode(), printed[1].getvalue().decode()
