"""The template in each combination of its options: rendered, with the conditions resolved, as a linter wants it.

A condition is a formula over parameters. What CloudFormation compares a parameter with, and one other value, are all
the values that matter of it. The product of them all has millions of members, but no question is about all parameters
at once: what a part of the template looks like follows from the few in its own conditions, and those are tried in all
combinations (`Combinations.assignments`). `Combinations.covering` packs such partial combinations into few whole ones.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from sldb.emulator.cloudformation.intrinsics import holds

Assignment: TypeAlias = dict[str, str]  # parameter → value

# What a set of combinations has to contain: the outcome of a choice (by number), or two parameters with their values.
Target: TypeAlias = tuple[Any, Any]

ABSENT = object()
# Values other than those of the conditions, as the template's patterns want them.
SAMPLES = {
    "AccessLogBucket": "logs-of-the-company",
    "AccessLogPrefix": "sldb/",
    "AlarmMail": "ops@example.com",
    "AlarmTopic": "arn:aws:sns:eu-central-1:123456789012:ops",
    "ApiCertificate": "arn:aws:acm:eu-central-1:123456789012:certificate/6f3b0c7e-0000-4000-8000-000000000001",
    "ApiDomain": "db.example.com",
    "BucketMade": "2026-01-01T00:00:00Z",
    "BundleBucket": "bundles-of-the-company",
    "BundleKey": "0" * 64 + ".zip",
    "CorsOrigins": "https://app.example.com",
    "ExistingFileSystem": "fs-0a1b2c3d",
    "ExistingBucket": "sldb-data-123456789012-eu-central-1",
    "FormerKmsKeys": "arn:aws:kms:eu-central-1:123456789012:key/6f3b0c7e-0000-4000-8000-000000000003",
    "JwtAudience": "audience",
    "JwtIssuer": "https://issuer.example.com",
    "KeyQuota": "1000/DAY",
    "KmsKey": "arn:aws:kms:eu-central-1:123456789012:key/6f3b0c7e-0000-4000-8000-000000000002",
    "LockTags": '{"team":"data"}',
    "ProvisionedConcurrency": "2",
    "ReservedConcurrency": "10",
    "Subnets": "subnet-0a1b2c3d,subnet-1a1b2c3d,subnet-2a1b2c3d",
    "Vpc": "vpc-0a1b2c3d",
    "PermissionsBoundary": "arn:aws:iam::123456789012:policy/boundary",
}
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "sldb",
    "AWS::URLSuffix": "amazonaws.com",
}
_MAX_COMBINATIONS = 1 << 14  # of the parameters of one question
_CANDIDATES = 10


@dataclass(frozen=True, slots=True)
class Part:
    """A choice in a resource: an Fn::If with all that it may be."""

    resource: str  # a logical id
    condition: str | None  # of the resource
    value: Any

    @property
    def conditions(self) -> tuple[str, ...]:
        return (self.condition,) if self.condition else ()


@dataclass(frozen=True)
class Combinations:
    """A template, as plain values."""

    template: Mapping[str, Any]

    @cached_property
    def domains(self) -> dict[str, tuple[str, ...]]:
        """Return the values that matter of each parameter that a condition names."""
        compared: dict[str, set[str]] = {}
        for condition in self.template["Conditions"].values():
            for values in _find(condition, "Fn::Equals"):
                literals = {str(value) for value in values if not isinstance(value, dict)}
                for name in self._parameters_in(values):
                    compared.setdefault(name, set()).update(literals)
        return {name: self._domain(name, literals) for name, literals in sorted(compared.items())}

    @cached_property
    def supports(self) -> dict[str, frozenset[str]]:
        """Return the parameters that each condition rests on."""
        conditions = self.template["Conditions"]
        found: dict[str, frozenset[str]] = {}

        def support(name: str) -> frozenset[str]:
            if name not in found:
                others = (support(other) for other in _find(conditions[name], "Condition"))
                found[name] = frozenset(self._parameters_in(conditions[name])).union(*others)
            return found[name]

        for name in conditions:
            support(name)
        return found

    @cached_property
    def values(self) -> Assignment:
        """Return a value of each parameter: the first of those that matter, else a sample or its default."""
        others = {
            name: SAMPLES.get(name, str(parameter.get("Default", "")))
            for name, parameter in self.template["Parameters"].items()
        }
        return {**others, **{name: values[0] for name, values in self.domains.items()}}

    def truth(self, condition: str, assignment: Mapping[str, str]) -> bool:
        return _truth(self.template["Conditions"], condition, assignment)

    def assignments(self, conditions: Iterable[str], also: Iterable[str] = ()) -> Iterator[Assignment]:
        """Yield all combinations of the parameters that these conditions rest on, and of others that matter."""
        named = (name for name in also if name in self.domains)
        names = sorted(frozenset[str](named).union(*(self.supports[condition] for condition in conditions)))
        domains = [self.domains[name] for name in names]
        count = 1
        for domain in domains:
            count *= len(domain)
        assert count <= _MAX_COMBINATIONS, names
        for values in itertools.product(*domains):
            yield dict(zip(names, values, strict=True))

    def resolve(self, value: Any, assignment: Mapping[str, str]) -> Any:
        """Return the value without Fn::If, with the values of parameters, and with the text of Fn::Sub as far as they
        determine it; ABSENT for AWS::NoValue."""
        if isinstance(value, list):
            items = [self.resolve(item, assignment) for item in value]
            return [item for item in items if item is not ABSENT]
        if not isinstance(value, dict):
            return value
        if "Fn::If" in value:
            condition, then, otherwise = value["Fn::If"]
            return self.resolve(then if self.truth(condition, assignment) else otherwise, assignment)
        if value == {"Ref": "AWS::NoValue"}:
            return ABSENT
        if set(value) == {"Ref"} and value["Ref"] in assignment:
            is_number = self.template["Parameters"].get(value["Ref"], {}).get("Type") == "Number"
            return int(assignment[value["Ref"]]) if is_number else assignment[value["Ref"]]
        members = {name: self.resolve(member, assignment) for name, member in value.items()}
        if set(members) == {"Fn::Sub"}:
            return _substituted(members["Fn::Sub"], assignment)
        return {name: member for name, member in members.items() if member is not ABSENT}

    def render(self, assignment: Mapping[str, str]) -> dict[str, Any]:
        """Return the template without conditions, as it is with these parameters."""
        whole = {**PSEUDO, **self.values, **assignment}
        rendered = {
            name: part for name, part in self.template.items() if name not in ("Conditions", "Resources", "Outputs")
        }
        for section in ("Resources", "Outputs"):
            rendered[section] = {
                name: self.resolve({key: part for key, part in each.items() if key != "Condition"}, whole)
                for name, each in self.template[section].items()
                if "Condition" not in each or self.truth(each["Condition"], whole)
            }
        return rendered

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Return the choices of each resource, and what stands without one: that it is there."""
        return tuple(
            Part(name, resource.get("Condition"), value)
            for name, resource in self.template["Resources"].items()
            for value in ("", *_choices(resource.get("Properties", {})))
        )

    def forms_of(self, part: Part) -> dict[str, Assignment]:
        """Return what a choice may come to, and a combination for each."""
        conditions = [*part.conditions, *(argument[0] for argument in _find(part.value, "Fn::If"))]
        forms: dict[str, Assignment] = {}
        for assignment in self.assignments(conditions, self._parameters_in(part.value)):
            if all(self.truth(condition, assignment) for condition in part.conditions):
                forms.setdefault(repr(self.resolve(part.value, assignment)), assignment)
        return forms

    def covering(self) -> list[Assignment]:
        """Return few combinations in which each pair of values of two parameters occurs, and each outcome of each
        choice."""
        missing: dict[Target, Assignment] = {
            (number, form): each for number, part in enumerate(self.parts) for form, each in self.forms_of(part).items()
        }
        missing.update({(one, other): dict((one, other)) for one, other in self._pairs()})
        chance, found = random.Random(1), list[Assignment]()
        while missing:
            candidates = [self._candidate(list(missing.values()), chance) for _ in range(_CANDIDATES)]
            covered = [[each for each in missing if self._has(whole, each, missing[each])] for whole in candidates]
            best = max(range(_CANDIDATES), key=lambda number: len(covered[number]))
            found.append(candidates[best])
            for target in covered[best]:
                del missing[target]
        return found

    def _candidate(self, needed: list[Assignment], chance: random.Random) -> Assignment:
        """Return a combination with what is needed first, and as much of the others as goes together with it."""
        whole: Assignment = {}
        for each in (needed[0], *chance.sample(needed, len(needed))):
            if all(whole.get(name, value) == value for name, value in each.items()):
                whole.update(each)
        return {name: whole[name] if name in whole else chance.choice(values) for name, values in self.domains.items()}

    def _has(self, whole: Assignment, target: Target, partial: Assignment) -> bool:
        if partial.items() <= whole.items():
            return True
        number, form = target
        if not isinstance(number, int):
            return False
        part = self.parts[number]
        return (
            all(self.truth(each, whole) for each in part.conditions) and repr(self.resolve(part.value, whole)) == form
        )

    def _pairs(self) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
        for one, other in itertools.combinations(self.domains, 2):
            for first, second in itertools.product(self.domains[one], self.domains[other]):
                yield (one, first), (other, second)

    def _domain(self, name: str, literals: set[str]) -> tuple[str, ...]:
        parameter = self.template["Parameters"][name]
        allowed = [str(value) for value in parameter.get("AllowedValues", ())]
        default = str(parameter.get("Default", ""))
        others = [value for value in (default, SAMPLES.get(name), *allowed, "7") if value is not None]
        other = next(
            (value for value in others if value not in literals and (not allowed or value in allowed)), default
        )
        first = default if default in literals else other
        return tuple(dict.fromkeys((first, *sorted(literals), other)))

    def _parameters_in(self, value: Any) -> set[str]:
        return {str(name) for name in _find(value, "Ref") if name in self.template["Parameters"]}


def _substituted(argument: Any, assignment: Mapping[str, str]) -> Any:
    """Return what Fn::Sub comes to; with names of resources in it, still Fn::Sub."""
    text, given = (argument, {}) if isinstance(argument, str) else argument
    known = dict(assignment)
    for name, value in given.items():
        if isinstance(value, str):
            known[name] = value
        elif set(value) == {"Ref"}:
            known[name] = f"${{{value['Ref']}}}"
    text = re.sub(r"\$\{([^!}]+)\}", lambda match: known.get(match[1], match[0]), text)
    rest = {name: value for name, value in given.items() if name not in known}
    if "${" not in text:
        return text
    return {"Fn::Sub": [text, rest] if rest else text}


def _find(value: Any, function: str) -> Iterator[Any]:
    """Yield the arguments of a function, at any depth."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name == function:
                yield member
            yield from _find(member, function)
    elif isinstance(value, list):
        for item in value:
            yield from _find(item, function)


def _choices(value: Any) -> Iterator[Any]:
    """Yield the outermost choices in a value: each Fn::If that is in no other one."""
    if isinstance(value, dict):
        if "Fn::If" in value:
            yield value
        else:
            yield from _choices(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            yield from _choices(item)


@dataclass(frozen=True, slots=True)
class _Scope:
    conditions: Mapping[str, Any]
    assignment: Mapping[str, str]

    def ref(self, name: str) -> Any:
        return self.assignment[name]

    def attribute(self, name: str, attribute: str) -> Any:
        raise KeyError(f"a condition cannot ask for {name}.{attribute}")

    def condition(self, name: str) -> bool:
        return _truth(self.conditions, name, self.assignment)


def _truth(conditions: Mapping[str, Any], name: str, assignment: Mapping[str, str]) -> bool:
    return holds(conditions[name], _Scope(conditions, assignment))
