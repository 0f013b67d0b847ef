"""Intrinsic functions: the evaluation of a value in a template, and its references. Pure, given a Scope."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sldb.emulator.calls.errors import AwsError, NotEmulated

_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]*)\}")


class _NoValue:
    """AWS::NoValue: the property, or the item of a list, is omitted."""


NO_VALUE = _NoValue()


class Scope(Protocol):
    """The values of names."""

    def ref(self, name: str) -> Any: ...

    def attribute(self, name: str, attribute: str) -> Any: ...

    def condition(self, name: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Reference:
    name: str
    attribute: str | None = None  # None: a Ref


def evaluate(value: Any, scope: Scope) -> Any:
    if isinstance(value, list):
        items = [evaluate(item, scope) for item in value]
        return [item for item in items if item is not NO_VALUE]
    if not isinstance(value, dict):
        return value
    function = _function_of(value)
    if function is None:
        members = {name: evaluate(member, scope) for name, member in value.items()}
        return {name: member for name, member in members.items() if member is not NO_VALUE}
    return _call(function, value[function], scope)


def holds(value: Any, scope: Scope) -> bool:
    """Return a condition's value."""
    found = evaluate(value, scope)
    if not isinstance(found, bool):
        raise AwsError("ValidationError", f"Template error: a condition came to {found!r}, not to true or false")
    return found


def references(value: Any) -> Iterator[Reference]:
    """Yield the references of a value by Ref, Fn::GetAtt or Fn::Sub, those in untaken branches included."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    if not isinstance(value, dict):
        return
    function = _function_of(value)
    argument = value.get(function) if function else None
    if function == "Ref":
        yield Reference(str(argument))
    elif function == "Fn::GetAtt":
        yield Reference(*_attribute_names(argument))
    elif function == "Fn::Sub":
        yield from _sub_references(argument)
    elif function == "Fn::If" and isinstance(argument, list):
        yield from references(argument[1:])
    else:
        for member in value.values():
            yield from references(member)


def _function_of(value: Mapping[str, Any]) -> str | None:
    if len(value) != 1:
        return None
    name = next(iter(value))
    # "Condition" is a function among conditions only; elsewhere (in policies) it is a name like any other.
    is_condition = name == "Condition" and isinstance(value[name], str)
    return name if name == "Ref" or is_condition or str(name).startswith("Fn::") else None


def _call(function: str, argument: Any, scope: Scope) -> Any:
    match function:
        case "Ref":
            return scope.ref(argument)
        case "Condition":
            return scope.condition(argument)
        case "Fn::GetAtt":
            return scope.attribute(*_attribute_names(argument))
        case "Fn::Sub":
            return _sub(argument, scope)
        case "Fn::If":
            name, then, otherwise = argument
            return evaluate(then if scope.condition(name) else otherwise, scope)
        case "Fn::GetAZs":
            region = evaluate(argument, scope) or scope.ref("AWS::Region")
            return [f"{region}{letter}" for letter in "abc"]
    arguments = evaluate(argument, scope)
    match function:
        case "Fn::Join":
            return str(arguments[0]).join(_text(item) for item in arguments[1])
        case "Fn::Select":
            return arguments[1][int(arguments[0])]
        case "Fn::Split":
            return str(arguments[1]).split(arguments[0])
        case "Fn::Equals":
            return _text(arguments[0]) == _text(arguments[1])
        case "Fn::Not":
            return not arguments[0]
        case "Fn::And" | "Fn::Or":
            return (all if function == "Fn::And" else any)(arguments)
    raise NotEmulated(f"the function {function}")


def _sub(argument: Any, scope: Scope) -> str:
    text, given = (argument, {}) if isinstance(argument, str) else (argument[0], evaluate(argument[1], scope))

    def value(match: re.Match[str]) -> str:
        literal, name = match[1], match[2].strip()
        if literal:
            return "${" + match[2] + "}"
        if name in given:
            return _text(given[name])
        owner, dot, attribute = name.partition(".")
        return _text(scope.attribute(owner, attribute) if dot else scope.ref(name))

    return _PLACEHOLDER.sub(value, text)


def _sub_references(argument: Any) -> Iterator[Reference]:
    text, given = (argument, {}) if isinstance(argument, str) else argument
    yield from references(list(given.values()))
    for literal, name in _PLACEHOLDER.findall(text):
        if not literal and name.strip() not in given:
            owner, dot, attribute = name.strip().partition(".")
            yield Reference(owner, attribute if dot else None)


def _attribute_names(argument: Any) -> tuple[str, str]:
    name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
    return str(name), str(attribute)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
