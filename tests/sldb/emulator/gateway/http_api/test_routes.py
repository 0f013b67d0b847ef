"""Route keys, and the choice of the most specific one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.emulator.gateway.http_api import routes
from sldb.emulator.gateway.http_api.routes import Match, RouteKey

# Few names, so that several routes match.
_NAMES = st.sampled_from(["a", "b"])
_SEGMENTS = st.one_of(_NAMES, st.sampled_from(["{x}", "{y}"]))


@st.composite
def keys(draw: st.DrawFn) -> RouteKey:
    if draw(st.integers(0, 9)) == 0:
        return routes.parse("$default")
    segments = draw(st.lists(_SEGMENTS, max_size=3))
    segments += draw(st.sampled_from([[], ["{proxy+}"]]))
    return routes.parse(f"{draw(st.sampled_from(['GET', 'POST', 'ANY']))} /{'/'.join(segments)}")


PATHS = st.lists(_NAMES, max_size=4).map(lambda parts: "/" + "/".join(parts))


def chosen(method: str, path: str, *texts: str) -> tuple[str, dict[str, str]] | None:
    found = routes.choose([routes.parse(text) for text in texts], method, path)
    return None if found is None else (found.key.text, dict(found.parameters))


def test_the_examples_of_the_developer_guide() -> None:
    """Those of "Create routes for HTTP APIs": the numbers there are the order here."""
    all_of_them = ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"]
    assert chosen("GET", "/pets/dog/1", *all_of_them) == ("GET /pets/dog/1", {})
    assert chosen("GET", "/pets/dog/2", *all_of_them) == ("GET /pets/dog/{id}", {"id": "2"})
    assert chosen("GET", "/pets/cat/1", *all_of_them) == ("GET /pets/{proxy+}", {"proxy": "cat/1"})
    assert chosen("POST", "/test/5", *all_of_them) == ("ANY /{proxy+}", {"proxy": "test/5"})
    assert chosen("GET", "/", *all_of_them) == ("$default", {})


def test_the_routes_of_a_stack_with_readers() -> None:
    stack = ["POST /{proxy+}", "GET /{proxy+}", "POST /", "POST /{database}/read", "POST /read"]
    assert chosen("POST", "/main/read", *stack) == ("POST /{database}/read", {"database": "main"})
    assert chosen("POST", "/read", *stack) == ("POST /read", {})
    assert chosen("POST", "/main/query", *stack) == ("POST /{proxy+}", {"proxy": "main/query"})
    assert chosen("POST", "/", *stack) == ("POST /", {})
    assert chosen("GET", "/main/read", *stack) == ("GET /{proxy+}", {"proxy": "main/read"})
    assert chosen("GET", "/", *stack) is None
    assert chosen("DELETE", "/main/query", *stack) is None
    assert chosen("OPTIONS", "/main/query", *stack) is None


@pytest.mark.parametrize(
    "text", ["", "/x", "FETCH /x", "GET x", "GET /{a+}/b", "GET /x{a}", "GET /{}", "GET /{a+b}", "GET /a}", "default"]
)
def test_what_is_no_route_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the route key"):
        routes.parse(text)


@given(st.lists(keys(), max_size=6, unique_by=lambda key: key.text), st.sampled_from(["GET", "POST"]), PATHS)
def test_a_match_fits_and_its_parameters_make_the_path_again(all_keys: list[RouteKey], method: str, path: str) -> None:
    found = routes.choose(all_keys, method, path)
    if found is None:
        assert not any(key.is_default for key in all_keys)
    elif not found.key.is_default:
        assert found.key.method in (method, "ANY")
        assert filled(found) == path


def filled(match: Match) -> str:
    path = match.key.path
    for name, value in match.parameters:
        variable = f"{{{name}+}}" if f"{{{name}+}}" in path else f"{{{name}}}"
        path = path.replace(variable, value, 1)
    return path


@given(st.lists(keys(), max_size=6, unique_by=lambda key: key.text), PATHS, st.randoms())
def test_the_order_of_the_routes_does_not_matter(all_keys: list[RouteKey], path: str, chance: random.Random) -> None:
    def rank(match: Match | None) -> object:
        # /{x} and /{y} are one route to API Gateway, which would not take both.
        return (
            None if match is None else (match.key.method, [s if "{" not in s else s[-2:] for s in match.key.segments])
        )

    before = routes.choose(all_keys, "GET", path)
    chance.shuffle(all_keys)
    after = routes.choose(all_keys, "GET", path)
    plain = [str(rank(each)).replace("x}", "}").replace("y}", "}") for each in (before, after)]
    assert plain[0] == plain[1]


@given(st.lists(keys(), min_size=1, max_size=6, unique_by=lambda key: key.text), PATHS)
def test_a_whole_path_wins_over_a_greedy_one_and_both_over_the_default(all_keys: list[RouteKey], path: str) -> None:
    alone = [found for key in all_keys if (found := routes.choose([key], "GET", path)) is not None]
    best = routes.choose(all_keys, "GET", path)

    def group(match: Match) -> int:
        return 2 if match.key.is_default else 1 if match.key.path.endswith("+}") else 0

    assert (best is None) == (not alone)
    if best is not None:
        assert group(best) == min(group(each) for each in alone)
