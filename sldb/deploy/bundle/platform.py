"""The platform of the bundle: a Lambda runtime on one architecture, or this machine.

Lambda's runtimes from python3.12 on are based on Amazon Linux 2023 (glibc 2.34), the older ones on Amazon Linux 2
(glibc 2.26). `host` is the platform of the running interpreter: for an emulator on this machine.
SLDB_BUNDLE_PLATFORM=host chooses it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from lambda_handlers.wire import SldbError

RUNTIMES = ("python3.10", "python3.11", "python3.12", "python3.13", "python3.14")
ARCHITECTURES = ("arm64", "x86_64")
_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
_MIN_GLIBC = 5  # minor version: wheels below manylinux_2_5 do not exist


@dataclass(frozen=True, slots=True)
class Platform:
    runtime: str  # one of RUNTIMES
    architecture: str  # one of ARCHITECTURES
    host: bool = False

    @property
    def python(self) -> str:
        """The version, such as "3.13"."""
        return self.runtime.removeprefix("python")

    @property
    def python_version(self) -> tuple[int, int]:
        major, minor = self.python.split(".")
        return int(major), int(minor)

    @property
    def on_amazon_linux_2(self) -> bool:
        return not self.host and self.python_version < (3, 12)

    @property
    def runs_this_python(self) -> bool:
        """True if bytecode of the running interpreter is valid there."""
        return self.python_version == sys.version_info[:2] and sys.implementation.name == "cpython"

    @property
    def wheel_tags(self) -> tuple[str, ...]:
        """The platform tags of usable wheels, best first; none for the host: pip knows it."""
        if self.host:
            return ()
        machine = _MACHINES[self.architecture]
        newest = 26 if self.on_amazon_linux_2 else 34
        numbered = [f"manylinux_2_{glibc}_{machine}" for glibc in range(newest, _MIN_GLIBC - 1, -1)]
        return (*numbered, f"manylinux2014_{machine}")

    @classmethod
    def choose(cls, runtime: str, architecture: str, where: str | None) -> Platform:
        """Return the platform. `where`: the value of SLDB_BUNDLE_PLATFORM, if any. Raises `bad_request`."""
        if where not in (None, "", "lambda", "host"):
            raise SldbError("bad_request", f"SLDB_BUNDLE_PLATFORM: got {where!r}, want lambda or host")
        platform = cls(runtime, architecture, host=where == "host")
        if platform.host and not platform.runs_this_python:
            here = f"python{sys.version_info.major}.{sys.version_info.minor}"
            raise SldbError(
                "bad_request",
                f"a bundle for this machine runs {here}, and the requested runtime is {runtime}",
                f"deploy with --runtime {here}, or unset SLDB_BUNDLE_PLATFORM",
            )
        return platform
