"""A deployed stack on the emulated AWS, for chaos: the bundle runs in Lambda's own runtime, in processes of its own."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import boto3

from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.store.open import open_store
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Reply, Request, SldbError
from sldb.aws.options import AwsOptions
from sldb.cli.main import run as run_command
from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.front.hooks import ReplyLost
from sldb.emulator.front.server import Emulator
from sldb.ops.locks import stack_locks
from sldb.targets.aws_lambda import LambdaTarget
from tests.chaos.bookkeeping import CREATE
from tests.fakes.aws.emulated import emulated_aws

FUNCTION, DEADLOCK_FIX = "test-db-function", "test-db-function-deadlock-fix"


def is_commit(call: Call, database: str = "") -> bool:
    return call.service == "s3" and call.action == "PutObject" and f"{database}/0000/" in call.path


def is_release(call: Call, database: str) -> bool:
    """Return True for the release of a lock, and for taking one that is an object."""
    if call.service == "ec2":
        return call.action == "DeleteSecurityGroup"
    return call.service == "s3" and call.action == "PutObject" and f"_locks/{database}/" in call.path


class Stage:
    """A deployed stack. The settings of its functions are changed without the deployer, because that refuses a lock age
    shorter than a writer's time; the stack's rights for security groups are enough for every kind of lock."""

    def __init__(self, aws: Emulator, max_age_seconds: float) -> None:
        self.aws = aws
        self._settings = {"SLDB_LOCK_MAX_AGE_SECONDS": f"{max_age_seconds:g}"}
        assert run_command(["deploy", "--yes"]) == 0

    def use(self, lock: str, **settings: str) -> None:
        """This kind of lock, and further environment variables. The containers of before retire."""
        functions = boto3.client("lambda")
        for name in (FUNCTION, DEADLOCK_FIX):
            variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            variables |= {**self._settings, "SLDB_LOCK": lock, **settings}
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        self._locks = stack_locks(AwsOptions(), "test-db")

    def ask(self, request: Request) -> Reply:
        """By way of the function."""
        with closing(LambdaTarget(FUNCTION, AwsOptions())) as target:
            return target.send(request)

    def new_database(self, name: str) -> str:
        self.ask(replace(CREATE, database=name, request_id=name))
        return name

    def environment(self, endpoint_url: str | None = None) -> dict[str, str]:
        """Return the environment of a client's process."""
        environment = self.aws.command_environment(os.environ)
        return environment if endpoint_url is None else {**environment, "AWS_ENDPOINT_URL": endpoint_url}

    def bucket(self) -> str:
        buckets = boto3.client("s3").list_buckets()["Buckets"]
        return next(each["Name"] for each in buckets if "-data-" in each["Name"])

    def store(self) -> ObjectStore:
        """Return the store of the function, as a client outside."""
        credentials = Credentials("emulator", "emulator")
        return open_store(
            Settings(f"s3://{self.bucket()}/databases", endpoint_url=self.aws.url, credentials=credentials)
        )

    def is_locked(self, database: str) -> bool:
        return self._locks.held(database) is not None

    @contextmanager
    def killing_at_commit(self) -> Iterator[threading.Event]:
        """Kill the next container just before its commit, and set the event."""
        killed, deciding = threading.Event(), threading.Lock()

        def kill(call: Call, proceed: Callable[[Call], Answer]) -> Answer:
            with deciding:
                mine = not killed.is_set() and is_commit(call)
                if mine:
                    killed.set()
            if not mine:
                return proceed(call)
            self.kill_the_busy_container()
            raise ReplyLost

        with self.hook(kill):
            yield killed

    @contextmanager
    def killing_at_release(self, database: str) -> Iterator[threading.Event]:
        """Kill the next container that has committed to the database, before it releases its lock. That waits for
        the event, to be set once the client has its reply."""
        has_reply, committed, killed = threading.Event(), threading.Event(), threading.Event()

        def kill(call: Call, proceed: Callable[[Call], Answer]) -> Answer:
            if is_commit(call, database):
                answer = proceed(call)
                committed.set()
                return answer
            if killed.is_set() or not (committed.is_set() and is_release(call, database)):
                return proceed(call)
            assert has_reply.wait(60)
            killed.set()
            self.kill_the_busy_container()
            raise ReplyLost

        with self.hook(kill):
            yield has_reply
            assert killed.wait(60)

    def kill_the_busy_container(self) -> None:
        busy = [each.pid for each in self.aws.containers(FUNCTION) if each.busy and each.pid]
        self.aws.kill_container(busy[0])

    @contextmanager
    def hook(self, hook: Callable[[Call, Callable[[Call], Answer]], Answer]) -> Iterator[None]:
        self.aws.hooks.append(hook)
        try:
            yield
        finally:
            self.aws.hooks.remove(hook)

    def unlock(self, database: str) -> bool:
        """Free the lock as `sldb unlock --yes` does; return True if there was one."""
        held = self._locks.held(database)
        return held is not None and self._locks.free(held)


class Containers:
    """The disturbances of a stage's containers: killed, frozen, thawed, robbed of their lock."""

    def __init__(self, stage: Stage, database: str, chance: random.Random) -> None:
        self._stage = stage
        self._database = database
        self._chance = chance
        self._frozen: deque[int] = deque()
        self.kills = self.freezes = self.unlocks = 0

    def kill_one(self) -> None:
        pids = self._pids()
        if not pids:
            return
        try:
            self._stage.aws.kill_container(self._chance.choice(pids))
        except LookupError:  # it ended meanwhile
            return
        self.kills += 1

    def freeze_one(self) -> None:
        if pids := self._pids():
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

    def _pids(self) -> list[int]:
        """Return the process ids of both functions: maintenance may end in the middle as well."""
        return [each.pid for each in self._stage.aws.containers() if each.pid and each.pid not in self._frozen]

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
    """`cache`: of downloaded wheels."""
    with emulated_aws(minute_seconds=minute_seconds, wheels=cache) as aws:
        yield Stage(aws, max_age_seconds)
