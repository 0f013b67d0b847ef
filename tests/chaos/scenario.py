"""Shared parts of the scenarios on the emulated AWS."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sldb.aws.options import AwsOptions
from sldb.client import Client
from sldb.targets.aws_lambda import LambdaTarget
from tests.chaos.checker import Verdict, check
from tests.chaos.crowd import Crowd
from tests.chaos.stage import FUNCTION, Stage

IS_LONG = "CHAOS_SECONDS" in os.environ


def with_lock(*kinds: str) -> pytest.MarkDecorator:
    """The first one only in the short version."""
    return pytest.mark.parametrize("kind", kinds if IS_LONG else kinds[:1])


def moody(chance: random.Random, mode: str) -> Callable[[], str]:
    """Behaves as usual most of the time."""
    return lambda: mode if chance.random() < 0.15 else "pass"


def judge(crowd: Crowd, on_stage: Stage, database: str, tmp_path: Path, what: str) -> Verdict:
    with closing(Client(LambdaTarget(FUNCTION, AwsOptions()), database)) as client:
        verdict = check(crowd.attempts(), client.execute, on_stage.store(), tmp_path / "replayed", database)
    print(f"{what}; {crowd.kills} clients killed: {verdict}")
    assert crowd.complaints() == ""
    assert verdict.violations == ()
    assert verdict.outcomes["acknowledged"] > 0
    return verdict
