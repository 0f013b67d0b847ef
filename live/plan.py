"""The cost of a run: an upper estimate of the use of each option, in dollars of us-east-1. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sldb import price

if TYPE_CHECKING:
    from live.stage import Stage

MEMORY_MB = 1024  # of the functions that are deployed
REQUEST_MS = 1500  # of a request with a cold start; a warm one takes a tenth
HOURS = 1.0  # for which things with a price by the hour are counted: a run takes minutes


class Failed(Exception):
    """An unfulfilled expectation of a scenario."""


class Skipped(Exception):
    """The reason why a check cannot run here."""


Scenario = Callable[["Stage"], None]  # raises Failed
Check = Callable[["Stage"], str]  # returns the observation; raises Failed if it refutes the claim, Skipped


@dataclass(frozen=True, slots=True)
class Usage:
    """The use of AWS by an option, at most."""

    requests: int = 20  # to functions
    store_writes: int = 200
    store_reads: int = 400
    api_requests: int = 0
    dollars_a_month: float = 0.0  # of things with a price by the month, such as a secret

    @property
    def dollars(self) -> float:
        return (
            self.requests * price.run(MEMORY_MB, REQUEST_MS, "aarch64")
            + self.store_writes * price.S3_WRITE
            + self.store_reads * price.S3_READ
            + self.api_requests * price.REST_API_REQUEST
            + self.dollars_a_month * HOURS / (30 * 24)
        )


@dataclass(frozen=True, slots=True)
class Option:
    """An option of `sldb deploy`. `arguments`: of the command, also those to end the options before."""

    name: str
    makes: str  # for people: the resources
    arguments: tuple[str, ...]
    scenario: Scenario
    checks: Mapping[str, Check] = field(default_factory=dict)  # id of a claim → its check
    usage: Usage = field(default_factory=Usage)
    lock: str | None = None  # the kind of lock that is measured with this option
    prepare: Callable[[Stage], Sequence[str]] | None = None  # before the deployment; returns more arguments
    is_new: bool = False  # the stack before is taken down first: no deployment leads from it to this one
    is_short: bool = True  # part of a short run; others have end-to-end tests of their own over the emulator

    def is_deployed_with(self, before: Option) -> bool:
        """Return True if the deployment of the option before is that of this one as well."""
        return not (self.is_new or self.prepare) and self.arguments in ((), before.arguments)


def cents(options: Sequence[Option]) -> int:
    """Return the cost of a run in cents, rounded up."""
    return max(1, math.ceil(100 * sum(option.usage.dollars for option in options)))


def announcement(name: str, account: str, region: str, options: Sequence[Option]) -> str:
    """Return the text to show before a run begins."""
    lines = [f"The stack {name} in account {account}, region {region}; at the end all of it is taken down:"]
    width = max(len(option.name) for option in options)
    lines += [f"  {option.name:<{width}}  {option.makes}  ${option.usage.dollars:.4f}" for option in options]
    lines.append(f"That costs at most {cents(options)} cents, by the prices of us-east-1 without a free tier.")
    return "\n".join(lines)
