"""IAM's policy language, as far as this project's policies use it. Pure: documents and a request in, a verdict out: the
decision, and its grounds.

`check` refuses to store a policy with an element that is not evaluated here (an operator, a condition key, a policy
variable): a condition silently taken for true or false would prove nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeAlias

Decision: TypeAlias = 'Literal["allow", "deny", "silent"]'
Document: TypeAlias = "Mapping[str, Any]"

# Condition keys that the emulator knows the value of, or knows to be absent. A slash ends a family of keys.
KNOWN_KEYS = frozenset(
    {
        *("aws:securetransport", "aws:requestedregion", "aws:tagkeys", "aws:requesttag/", "aws:resourcetag/"),
        *("aws:principalarn", "aws:principalaccount", "aws:sourcearn", "aws:sourceaccount"),
        *("s3:if-none-match", "s3:if-match", "s3:prefix", "s3:delimiter", "s3:max-keys", "s3:tlsversion"),
        *("s3:objectcreationoperation", "s3:x-amz-server-side-encryption", "s3:x-amz-acl"),
        *("secretsmanager:secretid", "secretsmanager:versionid", "secretsmanager:versionstage"),
        *("secretsmanager:resourcetag/", "lambda:functionarn"),
        *("elasticfilesystem:accesspointarn", "lambda:sourcefunctionarn"),
        *("kms:viaservice", "kms:calleraccount", "kms:grantisforawsresource"),
        *(f"kms:encryptioncontext:{name}" for name in ("aws:s3:arn", "aws:logs:arn", "aws:sqs:arn", "secretarn")),
        *("iam:passedtoservice", "ec2:createaction", "ec2:vpc", "ec2:vpcid", "ec2:region", "ec2:resourcetag/"),
    }
)
_SETS = ("ForAllValues:", "ForAnyValue:")


class UnknownElement(Exception):
    """An element of a policy that is not evaluated here."""


@dataclass(frozen=True, slots=True)
class Request:
    action: str  # such as s3:PutObject
    resource: str  # ARN
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # keys in lower case


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Return True if `pattern` covers `text`; * stands for any text, ? for one character."""
    return _compiled(pattern, ignore_case).fullmatch(text) is not None


@lru_cache(10_000)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


@dataclass(frozen=True, slots=True, order=True)
class Ground:
    """A pair of patterns in a statement that allows a request, or in the exclusion from one that denies."""

    sid: str
    action: str  # the pattern, such as s3:Get*
    resource: str  # the pattern


@dataclass(frozen=True, slots=True)
class Verdict:
    decision: Decision
    grounds: tuple[tuple[int, Ground], ...]  # each with the position of its document; none unless it is allowed


def judge(documents: Iterable[Document], request: Request, principals: Sequence[str] | None = None) -> Verdict:
    """Return the verdict of the documents on a request: a deny outweighs every allow.

    `principals` are the names of the caller, for policies of a resource; None for policies of the caller.
    """
    decision: Decision = "silent"
    grounds: list[tuple[int, Ground]] = []
    for position, document in enumerate(documents):
        for statement in _list(document["Statement"]):
            if not _is_about(statement, request, principals):
                continue
            covers = _covers(statement, "Resource", request.resource)
            if covers and statement["Effect"] == "Deny":
                return Verdict("deny", ())
            if covers:
                decision = "allow"
            element = "Resource" if covers else "NotResource"
            grounds += [(position, ground) for ground in _grounds(statement, element, request)]
    return Verdict(decision, tuple(grounds) if decision == "allow" else ())


def decide(documents: Iterable[Document], request: Request, principals: Sequence[str] | None = None) -> Decision:
    """Return the decision of `judge` alone."""
    return judge(documents, request, principals).decision


def check(document: Document) -> None:
    """Raise UnknownElement for the first element that cannot be evaluated here."""
    for statement in _list(document["Statement"]):
        for operator, conditions in statement.get("Condition", {}).items():
            if operator != "Null":
                _operator(operator)
            for key in conditions:
                family = key.lower().partition("/")
                if family[0] + family[1] not in KNOWN_KEYS:
                    raise UnknownElement(f"the condition key {key}")
        for text in _texts(statement):
            if "${" in text:
                raise UnknownElement(f"the policy variable in {text}")


def _is_about(statement: Mapping[str, Any], request: Request, principals: Sequence[str] | None) -> bool:
    """Return True if a statement is about a request, but for the resource."""
    return (
        _covers(statement, "Action", request.action, ignore_case=True)
        and (principals is None or _is_for(statement, principals))
        and all(
            _holds(operator, key, _list(wanted), request.context)
            for operator, conditions in statement.get("Condition", {}).items()
            for key, wanted in conditions.items()
        )
    )


def _grounds(statement: Mapping[str, Any], element: str, request: Request) -> Iterator[Ground]:
    """Yield the patterns of a statement that cover a request; `element` names those of the resource."""
    for action in _list(statement.get("Action", ())):
        if matches(action, request.action, ignore_case=True):
            for resource in _list(statement.get(element, ())):
                if matches(resource, request.resource):
                    yield Ground(statement.get("Sid", ""), action, resource)


def _covers(statement: Mapping[str, Any], element: str, text: str, *, ignore_case: bool = False) -> bool:
    if element in statement:
        return any(matches(pattern, text, ignore_case=ignore_case) for pattern in _list(statement[element]))
    # A trust policy names no resource: it is about its role.
    excluded = _list(statement.get("Not" + element, []))
    return not any(matches(pattern, text, ignore_case=ignore_case) for pattern in excluded)


def _is_for(statement: Mapping[str, Any], principals: Sequence[str]) -> bool:
    named = statement.get("Principal", statement.get("NotPrincipal"))
    values = ["*"] if named == "*" else [name for names in (named or {}).values() for name in _list(names)]
    found = any(value in ("*", principal) for value in values for principal in principals)
    return found != ("NotPrincipal" in statement)


def _holds(operator: str, key: str, wanted: Sequence[Any], context: Mapping[str, tuple[str, ...]]) -> bool:
    values = context.get(key.lower())
    base = operator
    for prefix in _SETS:
        base = base.removeprefix(prefix)
    if base == "Null":
        return any((str(want).lower() == "true") == (values is None) for want in wanted)
    test, negated = _operator(operator)
    if values is None:
        return negated or operator.startswith("ForAllValues:") or operator.endswith("IfExists")
    found = [any(test(str(want), value) for want in wanted) != negated for value in values]
    return all(found) if negated or operator.startswith("ForAllValues:") else any(found)


def _operator(operator: str) -> tuple[Callable[[str, str], bool], bool]:
    """Return the test of an operator, and whether it is negated."""
    base = operator.removesuffix("IfExists")
    for prefix in _SETS:
        base = base.removeprefix(prefix)
    negated = "Not" in base
    test = _TESTS.get(base.replace("Not", ""))
    if test is None:
        raise UnknownElement(f"the condition operator {operator}")
    return test, negated


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda want, value: want == value,
    "StringEqualsIgnoreCase": lambda want, value: want.lower() == value.lower(),
    "StringLike": matches,
    "ArnEquals": matches,
    "ArnLike": matches,
    "Bool": lambda want, value: want.lower() == value.lower(),
    "NumericEquals": lambda want, value: float(want) == float(value),
    "NumericLessThan": lambda want, value: float(value) < float(want),
    "NumericLessThanEquals": lambda want, value: float(value) <= float(want),
    "NumericGreaterThan": lambda want, value: float(value) > float(want),
    "NumericGreaterThanEquals": lambda want, value: float(value) >= float(want),
}


def _texts(statement: Mapping[str, Any]) -> Iterable[str]:
    for element in ("Action", "NotAction", "Resource", "NotResource"):
        yield from _list(statement.get(element, []))
    for conditions in statement.get("Condition", {}).values():
        for wanted in conditions.values():
            yield from (str(want) for want in _list(wanted))


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
