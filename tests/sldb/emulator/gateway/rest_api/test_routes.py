"""The resource of a path, against a slow and simple search over all of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.emulator.gateway.rest_api.routes import choose

ROOT = "0"


def tree(*paths: str) -> dict[str, Any]:
    """Return the resources of an API; each of the paths has the method GET."""
    resources: dict[str, Any] = {ROOT: {"id": ROOT, "path": "/", "resourceMethods": {}}}
    for path in paths:
        parent, where = ROOT, ""
        for part in path.split("/")[1:] if path != "/" else []:
            where += f"/{part}"
            if where not in resources:
                made = {"id": where, "parentId": parent, "pathPart": part, "path": where, "resourceMethods": {}}
                resources[where] = made
            parent = where
        resources[parent]["resourceMethods"] = {"GET": {"httpMethod": "GET"}}
    return resources


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("/", "/", {}),
        ("/health", "/health", {}),
        ("/main", "/{proxy+}", {"proxy": "main"}),
        ("/main/read", "/{database}/read", {"database": "main"}),
        ("/main/query", "/{proxy+}", {"proxy": "main/query"}),
        ("/health/", "/{proxy+}", {"proxy": "health/"}),
        ("/health/read", "/{database}/read", {"database": "health"}),
        ("//", "/{proxy+}", {"proxy": "/"}),
    ],
)
def test_the_most_exact_resource(path: str, resource: str, parameters: dict[str, str]) -> None:
    found = choose(tree("/", "/health", "/{database}/read", "/{proxy+}"), "GET", path)
    assert found is not None
    assert (found.resource["path"], found.parameters) == (resource, parameters)


def test_a_method_that_the_resource_lacks() -> None:
    resources = tree("/a", "/{proxy+}")
    assert choose(resources, "POST", "/a") is None
    resources["/{proxy+}"]["resourceMethods"]["ANY"] = {"httpMethod": "ANY"}
    assert choose(resources, "POST", "/a") is None  # the better resource decides
    found = choose(resources, "POST", "/b")
    assert found is not None
    assert found.method["httpMethod"] == "ANY"


PARTS = st.sampled_from(["a", "b", "{x}"])
PATHS = st.lists(PARTS, max_size=3).map(lambda parts: "/" + "/".join(parts))
GREEDY = PATHS.map(lambda path: f"{path.rstrip('/')}/{{rest+}}")


@given(
    st.sets(st.one_of(PATHS, GREEDY), min_size=1, max_size=6), st.lists(st.sampled_from(["a", "b", "c"]), max_size=4)
)
def test_the_choice_is_the_best_of_all_that_fit(paths: set[str], parts: list[str]) -> None:
    found = choose(tree(*paths), "GET", "/" + "/".join(parts))
    fitting = {path: values for path in paths if (values := fits(path, parts)) is not None}
    if not fitting:
        assert found is None
        return
    best = min(fitting, key=ranks)
    assert found is not None
    assert (found.resource["path"], found.parameters) == (best, fitting[best])


def fits(path: str, parts: list[str]) -> dict[str, str] | None:
    """Return the parameters of a path that a request fits."""
    names = path.split("/")[1:] if path != "/" else []
    if names and names[-1] == "{rest+}":
        if len(parts) < len(names):
            return None
        parts = [*parts[: len(names) - 1], "/".join(parts[len(names) - 1 :])]
    if len(names) != len(parts):
        return None
    parameters = {}
    for name, part in zip(names, parts, strict=True):
        if name.startswith("{"):
            parameters[name.strip("{}+")] = part
        elif name != part:
            return None
    return parameters


def ranks(path: str) -> list[int]:
    return [2 if name.endswith("+}") else 1 if name.startswith("{") else 0 for name in path.split("/")[1:]]
