"""The deployed bundle under chaos: containers and clients killed, frozen beyond the lock's age, robbed of their lock.

Meanwhile the schedule runs the deadlock-fix function, which frees locks and compacts the log.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sldb.client import Client
from sldb.targets.aws_lambda import LambdaTarget
from sldb.targets.protocol import AwsOptions
from tests.chaos.bookkeeping import CREATE
from tests.chaos.checker import Verdict, check
from tests.chaos.crowd import Crowd, disturb, rounds
from tests.chaos.stage import FUNCTION, LOCK_KINDS, Containers, Stage, stage

CLIENTS = 3
MAX_AGE_SECONDS = 1.0
FROZEN_AT_ONCE = 2
TIMEOUT_SECONDS = 10.0

pytestmark = [pytest.mark.network, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def on_stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    cache = request.config.cache
    assert cache is not None
    with stage(cache.mkdir("downloads"), max_age_seconds=MAX_AGE_SECONDS, minute_seconds=4.0) as on_stage:
        yield on_stage


def judge(crowd: Crowd, on_stage: Stage, database: str, tmp_path: Path, what: str) -> Verdict:
    with closing(Client(LambdaTarget(FUNCTION, AwsOptions()), database)) as client:
        verdict = check(crowd.attempts(), client.execute, on_stage.store(), tmp_path / "replayed", database)
    print(f"{what}; {crowd.kills} clients killed: {verdict}")
    assert crowd.complaints() == ""
    assert verdict.violations == ()
    assert verdict.outcomes["acknowledged"] > 0
    return verdict


@pytest.mark.parametrize("kind", LOCK_KINDS)
def test_everything_that_may_happen_to_processes(
    on_stage: Stage, kind: str, tmp_path: Path, seconds: float, chance: random.Random
) -> None:
    on_stage.use(kind)
    database = f"processes-{kind}"
    on_stage.ask(replace(CREATE, database=database, request_id=database))
    containers = Containers(on_stage, database, chance)
    acts = rounds(chance, "kill", "kill", "freeze", "freeze", "thaw", "unlock", "client")

    def something() -> None:
        match next(acts):
            case "kill":
                containers.kill_one()
            case "freeze" if containers.frozen < FROZEN_AT_ONCE:
                containers.freeze_one()
            case "freeze" | "thaw":
                containers.thaw_one()
            case "unlock":
                containers.unlock()
            case "client":
                crowd.kill_one()
        crowd.keep_up()

    with Crowd(
        *(f"lambda:{FUNCTION}", tmp_path / "clients", CLIENTS, TIMEOUT_SECONDS, chance),
        environment=on_stage.environment(),
        database=database,
    ) as crowd:
        crowd.wait_for_work()
        disturb(seconds, something, (0.1, 0.8), chance)
        containers.thaw_all()
    verdict = judge(
        *(crowd, on_stage, database, tmp_path),
        f"{kind}: {containers.kills} containers killed, {containers.freezes} frozen, {containers.unlocks} locks broken",
    )
    assert set(verdict.errors) <= {"lock_timeout", "conflict", "internal", "query_timeout", "store_error"}
    assert containers.kills > 0
