"""The lock file of the functions: the version of each package, and the valid hashes of its files.

Read from `lambda_handlers/requirements.txt` (and `requirements-al2.txt`, for runtimes on Amazon Linux 2), both written
by `make lock`. pip would evaluate the `;` markers for its own interpreter, not for the bundle's, so they are evaluated
here. The lock file is ours: a line of another form is an error, never skipped.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lambda_handlers
from sldb.deploy.bundle.platform import Platform

_PIN = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[0-9][0-9A-Za-z.+!-]*)"
    r"(?: ; python_full_version (?P<compare><|>=) '(?P<python>\d+\.\d+)')?"
    r"(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)
_COMPARE = {"<": operator.lt, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Pin:
    name: str
    version: str
    hashes: frozenset[str]  # sha256, hex

    def __str__(self) -> str:
        return f"{self.name}=={self.version} " + " ".join(f"--hash=sha256:{digest}" for digest in sorted(self.hashes))


def lock_file(platform: Platform) -> Path:
    name = "requirements-al2.txt" if platform.on_amazon_linux_2 else "requirements.txt"
    return Path(lambda_handlers.__file__).with_name(name)


def pins_for(platform: Platform) -> tuple[Pin, ...]:
    return tuple(select(lock_file(platform).read_text("utf-8"), platform.python_version))


def select(text: str, python: tuple[int, int]) -> Iterator[Pin]:
    """Yield the pins of a lock file for this Python. Raises ValueError for a line that is not a pin."""
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        found = _PIN.fullmatch(" ".join(line.split()))
        if found is None:
            raise ValueError(f"not a pin with hashes: {line[:80]!r}")
        if found["compare"] is None or _holds(python, found["compare"], found["python"]):
            hashes = frozenset(re.findall(r"[0-9a-f]{64}", found["hashes"]))
            yield Pin(found["name"], found["version"], hashes)


def _holds(python: tuple[int, int], compare: str, wanted: str) -> bool:
    return bool(_COMPARE[compare](python, tuple(int(part) for part in wanted.split("."))))
