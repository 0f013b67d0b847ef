"""The options of `sldb deploy` with the values that matter, and few combinations in which each pair of values occurs.

A pair that goes together with nothing is refused by `resolve`, and is in `refused_pairs`. A stack keeps its store and
its network, so that the combinations of each store are a series of their own (`series`).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from lambda_handlers.wire import SldbError
from sldb.cli.commands.stack.deploy import deploy
from sldb.deploy.parameters import PARTS, Choices, resolve

Pair = frozenset[tuple[str, str]]
Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names of what the account has beside the stack."""

    topic: str = "arn:aws:sns:us-east-1:123456789012:ops"
    key: str = "arn:aws:kms:us-east-1:123456789012:key/6f3b0c7e-0000-4000-8000-000000000002"
    log_bucket: str = "logs-of-the-company"
    boundary: str = "arn:aws:iam::123456789012:policy/boundary"
    issuer: str = "https://issuer.example/"
    certificate: str = "arn:aws:acm:us-east-1:123456789012:certificate/0f0f"
    vpc: str = "vpc-0a1b2c3d"
    subnets: str = "subnet-0a1b2c3d,subnet-1a1b2c3d,subnet-2a1b2c3d"


# The first value of each is that of a stack that nobody has chosen anything for.
VALUES: Mapping[str, tuple[str, ...]] = {
    "storage": ("s3", "efs", "subnets"),
    "lock": ("security-group", "s3", "none"),
    "token": ("no", "yes"),
    "key": ("no", "yes", "quota"),
    "jwt": ("no", "yes"),
    "iam": ("no", "yes"),
    "domain": ("no", "yes"),
    "cors": ("no", "yes"),
    "readers": ("no", "yes"),
    "queue": ("none", "fifo", "standard", "fifo of 7", "standard of 7"),
    "alarms": ("none", "mail", "topic"),
    "metrics": ("auto", "stack", "databases"),
    "dashboard": ("no", "yes"),
    "tracing": ("no", "yes"),
    "insights": ("no", "yes"),
    "reserved": ("none", "10"),
    "provisioned": ("none", "2"),
    "versions": ("0", "7"),
    "encryption": ("none", "key"),
    "access logs": ("none", "bucket"),
    "boundary": ("none", "policy"),
    "tags": ("no", "yes"),
}
KINDS = ("token", "key", "jwt", "iam")
FEW = {"s3": 4, "efs": 2, "subnets": 1}  # combinations of each series that the tests deploy: as many as time allows
_CANDIDATES = 4


@dataclass(frozen=True)
class Combination:
    values: Mapping[str, str]

    @classmethod
    def of(cls, **chosen: str) -> Combination:
        """Return a combination with these values, and the first ones of the other options."""
        return cls({**{name: values[0] for name, values in VALUES.items()}, **chosen})

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind for kind in KINDS if self[kind] != "no")

    @property
    def pairs(self) -> set[Pair]:
        return {frozenset(pair) for pair in itertools.combinations(self.values.items(), 2)}

    @property
    def series(self) -> str:
        return self["storage"]

    def words(self, facts: Facts) -> Words:
        """Return the words after `sldb deploy`, all that it takes from any other combination of the series."""
        return tuple(itertools.chain(self._store(facts), self._apis(facts), self._operation(facts), self._rest(facts)))

    def problem(self) -> str:
        """Return why it is refused; empty if it is not."""
        try:
            self.parameters()
        except SldbError as error:
            return str(error)
        return ""

    def parameters(self) -> dict[str, str]:
        """Return the parameters of a stack with it. Raises `bad_request`."""
        with deploy.make_context("deploy", list(self.words(Facts()))) as context:
            given = {name: value for name, value in context.params.items() if name in _CHOICES}
        return resolve("test-db", Choices.of_options(given), {}, {})

    def _store(self, facts: Facts) -> Iterator[str]:
        yield from ("--storage", "s3" if self["storage"] == "s3" else "efs")
        if self["storage"] == "efs":
            yield "--create-vpc"
        elif self["storage"] == "subnets":
            yield from ("--vpc", facts.vpc, "--subnets", facts.subnets)
        yield from ("--lock", self["lock"], "--recoverable-days", self["versions"])
        yield from ("--kms-key", facts.key if self["encryption"] == "key" else "none")
        yield from ("--access-logs", f"{facts.log_bucket}/" if self["access logs"] == "bucket" else "none")

    def _apis(self, facts: Facts) -> Iterator[str]:
        yield from ("--api", ",".join(self.kinds) or "none", "--cors", "none")
        if self["cors"] == "yes":
            yield from ("--cors", "https://app.example.com")
        if self["jwt"] == "yes":
            yield from ("--jwt-issuer", facts.issuer, "--jwt-audience", "sldb")
        if self["key"] != "no":
            yield from ("--key-quota", "10000/day" if self["key"] == "quota" else "none")
        yield from ("--api-domain", "none")
        if self["domain"] == "yes":
            yield from ("--api-domain", "db.example.com", "--api-certificate", facts.certificate)

    def _operation(self, facts: Facts) -> Iterator[str]:
        told = {"mail": "ops@example.com", "topic": facts.topic}
        yield from ("--alarms", told.get(self["alarms"], "none"), "--metrics", self["metrics"])
        yield from ("--reserved-concurrency", self["reserved"], "--provisioned-concurrency", self["provisioned"])
        for name in ("dashboard", "tracing", "insights", "readers"):
            yield f"--{name}" if self[name] == "yes" else f"--no-{name}"

    def _rest(self, facts: Facts) -> Iterator[str]:
        kind, _, batch = self["queue"].partition(" of ")
        yield from ("--queue", kind)
        if kind != "none":
            yield from ("--queue-batch", batch or "0")
        yield from ("--permissions-boundary", facts.boundary if self["boundary"] == "policy" else "none")
        yield from ("--tags", "team=data") if self["tags"] == "yes" else ("--untag", "team")


# Options of the command that are about the stack, and no others.
_CHOICES = (Choices.__dataclass_fields__.keys() - PARTS.keys()).union(
    *(kind.__dataclass_fields__ for kind in PARTS.values())
)


def all_pairs() -> list[Pair]:
    """Return the pairs of values of different options."""
    each = [(name, value) for name, values in VALUES.items() for value in values]
    return [frozenset((one, other)) for one, other in itertools.combinations(each, 2) if one[0] != other[0]]


@cache
def refused_pairs() -> dict[Pair, str]:
    """Return the pairs that are refused together with whatever else, and why."""
    found = {pair: Combination.of(**dict(pair)).problem() for pair in all_pairs() if witness(pair) is None}
    return dict(found)


@cache
def witness(pair: Pair) -> Combination | None:
    """Return a combination with the pair, with at most one further choice; None if there is none."""
    chosen = dict(pair)
    others = [{name: value} for name, values in VALUES.items() if name not in chosen for value in values[1:]]
    every = (Combination.of(**chosen, **other) for other in ({}, *others))
    return next((each for each in every if not each.problem()), None)


@cache
def covering() -> tuple[Combination, ...]:
    """Return combinations in which each pair of values occurs that is not refused, those of a series together."""
    chance = random.Random(1)
    missing = dict.fromkeys(pair for pair in all_pairs() if pair not in refused_pairs())
    found = list[Combination]()
    while missing:
        candidates = [_candidate(missing, chance) for _ in range(_CANDIDATES)]
        best = max(candidates, key=lambda each: len(each.pairs & missing.keys()))
        found.append(best)
        for pair in best.pairs:
            missing.pop(pair, None)
    return tuple(sorted(found, key=lambda each: VALUES["storage"].index(each.series)))


def few() -> tuple[Combination, ...]:
    """Return the first combinations of each series: they have the most pairs."""
    return tuple(
        each for name, number in FEW.items() for each in [one for one in covering() if one.series == name][:number]
    )


def _candidate(missing: Mapping[Pair, None], chance: random.Random) -> Combination:
    """Return a combination with a missing pair, and for each other option the value with the most of them."""
    pair = chance.choice(list(missing))
    best = witness(pair)
    assert best is not None
    settled = {name for name, value in best.values.items() if value != VALUES[name][0]} | {name for name, _ in pair}
    for name in chance.sample(list(VALUES), len(VALUES)):
        if name in settled:
            continue
        others = (Combination({**best.values, name: value}) for value in VALUES[name])
        fitting = [each for each in others if not each.problem()]
        best = max(fitting, key=lambda each: len(each.pairs & missing.keys()))
        settled.add(name)
    return best
