"""Patch operations."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.emulator.calls.errors import AwsError
from sldb.emulator.gateway.rest_api.control import patches

KINDS: dict[str, patches.Kind] = {
    "/name": str,
    "/enabled": patches.truth,
    "/quota/limit": patches.whole,
    "/quota/rate": patches.number,
    "/variables/*": str,
}


def operation(verb: str, path: str, value: str = "") -> dict[str, str]:
    return {"op": verb, "path": path, "value": value}


def test_values_become_what_their_member_is() -> None:
    document: dict[str, Any] = {}
    found = [
        operation("replace", "/name", "n"),
        operation("add", "/enabled", "True"),
        operation("replace", "/quota/limit", "7"),
        operation("replace", "/quota/rate", "0.5"),
        operation("add", "/variables/a~1b~0c", "v"),
    ]
    patches.apply(document, found, KINDS)
    assert document == {
        "name": "n",
        "enabled": True,
        "quota": {"limit": 7, "rate": 0.5},
        "variables": {"a/b~c": "v"},
    }
    patches.apply(document, [operation("remove", "/quota"), operation("remove", "/variables/a~1b~0c")], KINDS)
    assert document == {"name": "n", "enabled": True, "variables": {}}


@pytest.mark.parametrize(
    "found",
    [
        operation("replace", "/id", "x"),
        operation("replace", "/quota", "x"),
        operation("replace", "/variables", "x"),
        operation("remove", "/other"),
        operation("replace", "/name/more", "x"),
        operation("replace", "/enabled", "yes"),
        operation("replace", "/quota/limit", "1.5"),
        operation("replace", "/quota/rate", "fast"),
    ],
)
def test_what_cannot_be_patched(found: dict[str, str]) -> None:
    with pytest.raises(AwsError) as caught:
        patches.apply({"name": "n", "quota": {}}, [found], KINDS)
    assert caught.value.code == "BadRequestException"


@pytest.mark.parametrize("found", [{"op": "move", "path": "/name"}, {"op": "add"}, {"op": "add", "path": "name"}])
def test_what_is_no_operation(found: dict[str, str]) -> None:
    with pytest.raises(AwsError, match="Invalid patch operation"):
        patches.operations({"patchOperations": [found]})


@given(st.dictionaries(st.text(min_size=1), st.text()), st.dictionaries(st.text(min_size=1), st.text()))
def test_any_names_of_variables(old: dict[str, str], new: dict[str, str]) -> None:
    document = {"variables": copy.deepcopy(old)}
    escaped = {name: name.replace("~", "~0").replace("/", "~1") for name in {*old, *new}}
    found = [operation("remove", f"/variables/{escaped[name]}") for name in old.keys() - new.keys()]
    found += [operation("replace", f"/variables/{escaped[name]}", value) for name, value in new.items()]
    patches.apply(document, found, KINDS)
    assert document == {"variables": new}
