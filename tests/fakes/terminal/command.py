"""The command `sldb` as a process of its own, away from the user's configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from sldb.cli.main import main; main()"]


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "SLDB_", "XDG_", "PYTHON")) and name not in ("NO_COLOR", "COLUMNS")
    }
    ours = {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "PYTHONPATH": str(ROOT),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return {**kept, **ours, **(extra or {})}


def sldb(
    home: Path, *arguments: str, stdin: str | bytes = b"", extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; both streams are text in UTF-8 with their line ends as they are."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        env=environment(home, extra),
        cwd=home,
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
