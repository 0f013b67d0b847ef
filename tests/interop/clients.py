"""Published clients of libSQL and Turso, unmodified: `make interop` installs them beside the servers.

clients/        Python: the drivers; Node and Go, which are packages too; sdist/ with the tests of Turso's driver
javascript/     the packages of tests/interop/javascript/package.json
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.fakes.aws.emulated import emulated_aws
from tests.fakes.local_http import served
from tests.fakes.terminal.command import COMMAND, environment
from tests.interop.servers import HERE, installed

TIMEOUT_SECONDS = 200
SERVE_TOKEN = "a-token-of-the-interop-tests"
# A checkout of github.com/tursodatabase/turso: the npm package has no tests. Those of this commit are known.
TURSO_CHECKOUT = os.environ.get("SLDB_TURSO")
TURSO_COMMIT = "9e8a19aeb52ca508cbfad17a6d81fd0cd8e08143"


@dataclass(frozen=True, slots=True)
class Api:
    """An HTTP API under test. Each program has databases of its own."""

    url: str  # without a slash at its end
    token: str
    deployed: bool = False  # behind the emulated API Gateway

    def environment(self, name: str) -> dict[str, str]:
        """Create the database of this name; return the environment of a program that uses it, and no other server."""
        self._create(name)
        kept = {key: os.environ[key] for key in ("HOME", "LANG") if key in os.environ}
        programs = os.path.dirname(installed("clients/bin/node"))
        url = f"{self.url}/{name}/"
        return {
            **kept,
            "PATH": f"{programs}{os.pathsep}{os.defpath}",
            "SLDB_URL": url,
            "SLDB_TOKEN": self.token,
            "SLDB_OTHER": f"{name}-other",
            "SLDB_OTHER_URL": f"{self.url}/{name}-other/",
            "TURSO_DATABASE_URL": url,
            "TURSO_AUTH_TOKEN": self.token,
        }

    def _create(self, name: str) -> None:
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        request = Request(f"{self.url}/{name}/query", b'{"action": "create_database"}', headers)
        with urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            response.read()


@contextmanager
def on_directory(directory: Path) -> Iterator[Api]:
    """Serve a directory with `sldb serve`."""
    with served(directory, SERVE_TOKEN) as server:
        yield Api(server.url, SERVE_TOKEN)


@contextmanager
def deployed(directory: Path, wheels: Path) -> Iterator[Api]:
    """Deploy a stack with an API to the emulated AWS, and make a token for all of its databases."""
    with emulated_aws(wheels=wheels) as aws:
        cache = {"XDG_CACHE_HOME": str(wheels)}
        variables = environment(directory, {**aws.environment(), **cache})

        def sldb(*arguments: str) -> str:
            return ran([*COMMAND, *arguments], directory, variables)

        # The limits of a stack are for the internet: all of these clients together are quicker.
        sldb("deploy", "--yes", "--api", "token", "--api-rate", "2000", "--api-burst", "4000")
        [api] = json.loads(sldb("status", "--format", "json"))["apis"]
        yield Api(api["address"], sldb("token", "create", "interop", "--all-databases").strip(), deployed=True)


def ran(command: list[object], directory: Path, environment: Mapping[str, str]) -> str:
    """Return the output of a program. Fails with it if the program fails."""
    done = run(command, directory, environment)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def run(
    command: list[object], directory: Path, environment: Mapping[str, str], timeout_seconds: float = TIMEOUT_SECONDS
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=directory,
        env=dict(environment),
        timeout=timeout_seconds,
        check=False,
    )


def javascript(directory: Path) -> Path:
    """Return a directory with the scripts, in which their packages are found."""
    packages = installed("javascript/node_modules")
    program = directory / "javascript"
    shutil.copytree(HERE / "javascript", program)
    (program / "node_modules").symlink_to(packages)
    return program


def go_environment(directory: Path) -> dict[str, str]:
    """Return what keeps Go from downloading modules, and from compiling its own library for each test."""
    cache = str(installed("clients") / "go")
    return {"GOPROXY": "off", "GOTOOLCHAIN": "local", "GOCACHE": cache, "GOPATH": str(directory)}


def turso_checkout(folder: str) -> Path:
    """Return a folder of the checkout of Turso. Skips the test without one."""
    if not TURSO_CHECKOUT:
        pytest.skip(f"no package has these tests: SLDB_TURSO names a checkout of Turso at {TURSO_COMMIT}")
    return Path(TURSO_CHECKOUT) / folder
