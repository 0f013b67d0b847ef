"""Published JavaScript clients of libSQL, unmodified, against `sldb serve`: npm installs them, Node runs them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fakes.local_http import served

PROGRAM = Path(__file__).parent / "javascript"

pytestmark = [
    pytest.mark.network,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs Node and npm"),
]


def test_libsql_turso_and_drizzle(tmp_path: Path) -> None:
    program = tmp_path / "program"
    shutil.copytree(PROGRAM, program)
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(install, cwd=program, check=True, capture_output=True, timeout=200)
    with served(tmp_path / "db") as server:
        ran = subprocess.run(
            ["node", "clients.js", f"{server.url}/main/"],
            cwd=program,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "libsql": 3,
        "error": "SQLITE_ERROR",
        "turso": {"v": "b"},
        "rolledBack": "back",
        "drizzle": ["z", "b", "c", "d", "e"],
    }
