"""The emulated AWS, with the environment of this process set so that it leads there and nowhere else.

`emulated_aws` begins with an empty account. Its bundles hold the server's code without the packages; commands against
CloudFormation need no more. With `wheels`, a directory of downloaded wheels, they are the real ones, and the functions
run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import boto3
import moto.core.responses
import pytest

from sldb.deploy.bundle.archive import Bundle
from sldb.deploy.bundle.bytecode import compiled
from sldb.emulator.front.hooks import Hook
from sldb.emulator.front.server import Emulator
from sldb.stack.cloudformation import Stack
from tests.access.rights import keep

POLL_SECONDS = 0.02  # between two looks at a stack; AWS takes minutes for what the emulator does at once
BLOCKED_SECONDS = 1.0  # an operation that runs longer waits for a hook of a test
_zipped_once = cache(Bundle.zip.func)  # of two equal bundles

# moto looks through all attributes of a service's class, hundreds, at each call.
moto.core.responses.method_names_from_class = cache(moto.core.responses.method_names_from_class)


@contextmanager
def emulated_aws(
    *, minute_seconds: float = 60.0, wheels: Path | None = None, keeps_uses: bool = True
) -> Iterator[Emulator]:
    """`keeps_uses`: of rights, for `make paths`; not those of another version's code."""
    with pytest.MonkeyPatch.context() as patch, Emulator(minute_seconds=minute_seconds) as aws:
        for name in [name for name in os.environ if name.startswith(("AWS_", "SLDB_"))]:
            patch.delenv(name)
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        if wheels is None:
            patch.setattr("sldb.deploy.bundle.archive.fetch", lambda pins, platform, cache, **_: [])
        else:
            patch.setenv("XDG_CACHE_HOME", str(wheels))
        patch.setattr("sldb.deploy.bundle.archive.compiled", lambda each, python: _compiled_once(tuple(each), python))
        patch.setattr(Bundle, "zip", property(_zipped_once))
        # Of doctor's races for a bucket, one round in place of twenty: tests/sldb/doctor/test_store.py has the races.
        patch.setattr("sldb.doctor.store.FEW_ROUNDS", 1)
        patch.setattr("lambda_handlers.store.conditional_writes.ROUNDS", 1)
        patch.setitem(Stack.__init__.__kwdefaults__, "sleep", lambda seconds: _pause(aws, seconds))
        boto3.DEFAULT_SESSION = None
        try:
            yield aws
        finally:
            boto3.DEFAULT_SESSION = None
            if keeps_uses:
                keep(aws.uses)


def wheels_of(config: pytest.Config) -> Path:
    """Return the directory of downloaded wheels, shared by all runs of the tests."""
    assert config.cache is not None
    return config.cache.mkdir("downloads")


@contextmanager
def hooked(aws: Emulator, hook: Hook) -> Iterator[None]:
    """Let `hook` see, and change, each call to the emulated AWS."""
    aws.hooks.append(hook)
    try:
        yield
    finally:
        aws.hooks.remove(hook)


def _pause(aws: Emulator, seconds: float) -> None:
    """Wait for the operation of a stack, in place of a pause between two looks at it: each look costs 50 ms."""
    if not aws.wait_for_stacks(max(seconds, BLOCKED_SECONDS)):
        time.sleep(min(seconds, POLL_SECONDS))


@cache
def _compiled_once(sources: Iterable[tuple[str, bytes]], interpreter: str) -> list[tuple[str, bytes]]:
    return list(compiled(sources, interpreter))
