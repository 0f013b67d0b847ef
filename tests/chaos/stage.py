"""A deployed stack on the emulated AWS, for chaos: the bundle runs in Lambda's own runtime, in processes of its own."""

from __future__ import annotations

import os
import random
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import boto3
import pytest

from lambda_handlers.object_store import ObjectStore
from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.stores import open_store
from lambda_handlers.wire import Reply, Request, SldbError
from sldb.cli.main import run as run_command
from sldb.emulator.server import Emulator
from sldb.locks import stack_locks
from sldb.targets.aws_lambda import LambdaTarget
from sldb.targets.protocol import AwsOptions

FUNCTION, DEADLOCK_FIX = "test-db-function", "test-db-function-deadlock-fix"
LOCK_KINDS = ("security-group", "s3", "none")


class Stage:
    """The settings of its functions are changed past the deployer, which refuses a lock that writers may outlive."""

    def __init__(self, aws: Emulator, max_age_seconds: float) -> None:
        self.aws = aws
        self._max_age_seconds = max_age_seconds
        self._lock: str | None = None

    def use(self, lock: str, **settings: str) -> None:
        """Deploy with this kind of lock, and further environment variables. The containers of before retire."""
        if lock != self._lock:
            assert run_command(["deploy", "--yes", "--lock", lock]) == 0
            self._lock = lock
        functions = boto3.client("lambda")
        for name in (FUNCTION, DEADLOCK_FIX):
            variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            variables |= {"SLDB_LOCK_MAX_AGE_SECONDS": f"{self._max_age_seconds:g}", **settings}
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})

    def ask(self, request: Request) -> Reply:
        """By way of the function."""
        with closing(LambdaTarget(FUNCTION, AwsOptions())) as target:
            return target.send(request)

    def environment(self) -> dict[str, str]:
        """Of a client's process."""
        return self.aws.command_environment(os.environ)

    def bucket(self) -> str:
        buckets = boto3.client("s3").list_buckets()["Buckets"]
        return next(each["Name"] for each in buckets if "-data-" in each["Name"])

    def store(self) -> ObjectStore:
        """What the function has, seen from outside."""
        credentials = Credentials("emulator", "emulator")
        return open_store(
            Settings(f"s3://{self.bucket()}/databases", endpoint_url=self.aws.url, credentials=credentials)
        )

    def busy_container(self) -> int | None:
        pids = [each.pid for each in self.aws.containers(FUNCTION) if each.busy and each.pid]
        return pids[0] if pids else None

    def unlock(self, database: str) -> bool:
        """What `sldb unlock --yes` does; whether there was somebody whose lock it freed."""
        locks = stack_locks(AwsOptions(), "test-db")
        held = locks.held(database)
        return held is not None and locks.free(held)


class Containers:
    """What happens to the containers of a stage: killed, frozen, thawed, robbed of their lock."""

    def __init__(self, stage: Stage, database: str, chance: random.Random) -> None:
        self._stage = stage
        self._database = database
        self._chance = chance
        self._frozen: deque[int] = deque()
        self.kills = self.freezes = self.unlocks = 0

    def kill_one(self) -> None:
        pids = [each.pid for each in self._stage.aws.containers(FUNCTION) if each.pid and each.pid not in self._frozen]
        if not pids:
            return
        try:
            self._stage.aws.kill_container(self._chance.choice(pids))
        except LookupError:  # it ended meanwhile
            return
        self.kills += 1

    def freeze_one(self) -> None:
        pids = [each.pid for each in self._stage.aws.containers(FUNCTION) if each.pid and each.pid not in self._frozen]
        if pids:
            pid = self._chance.choice(pids)
            if _signal(pid, signal.SIGSTOP):
                self._frozen.append(pid)
                self.freezes += 1

    def thaw_one(self) -> None:
        if self._frozen:
            _signal(self._frozen.popleft(), signal.SIGCONT)

    def thaw_all(self) -> None:
        while self._frozen:
            self.thaw_one()

    @property
    def frozen(self) -> int:
        return len(self._frozen)

    def unlock(self) -> None:
        try:
            self.unlocks += self._stage.unlock(self._database)
        except SldbError as error:  # the store is being disturbed
            if error.code != "store_error":
                raise


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def stage(cache: Path, *, max_age_seconds: float, minute_seconds: float) -> Iterator[Stage]:
    """Nothing is deployed yet. `cache`: of downloaded wheels."""
    with pytest.MonkeyPatch.context() as patch, Emulator(minute_seconds=minute_seconds) as aws:
        for name in [name for name in os.environ if name.startswith(("AWS_", "SLDB_"))]:
            patch.delenv(name)
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        patch.setenv("XDG_CACHE_HOME", str(cache))
        boto3.DEFAULT_SESSION = None
        yield Stage(aws, max_age_seconds)
        boto3.DEFAULT_SESSION = None
