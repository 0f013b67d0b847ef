"""Commands against the emulated AWS, in this process, without terminal, network or the user's files.

The bundle is the real server code without its packages: what runs in it is tested where the path from end to end is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import boto3
import pytest

from tests.sldb.deploy.commands import Commands


@pytest.fixture
def sldb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Commands]:
    from sldb.emulator import Emulator

    with Emulator() as aws:
        for name in [name for name in os.environ if name.startswith(("AWS_", "SLDB_"))]:
            monkeypatch.delenv(name)
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sldb.deploy.bundle.fetch", lambda pins, platform, cache: [])
        boto3.DEFAULT_SESSION = None
        yield Commands(aws, capsys)
        boto3.DEFAULT_SESSION = None
