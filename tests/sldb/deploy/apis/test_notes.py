from __future__ import annotations

from sldb.deploy.apis.notes import api_notes
from sldb.deploy.apis.options import ApiChoices
from sldb.deploy.parameters import Choices, resolve

JWT = {"jwt_issuer": "https://id.example/", "jwt_audience": "api"}


def parameters(*kinds: str, cors: str | None = None) -> dict[str, str]:
    return resolve("test-db", Choices(apis=ApiChoices(kinds, **JWT if "jwt" in kinds else {}, cors=cors)), {}, {})


def notes(before: dict[str, str], after: dict[str, str], *, has_log_role: bool | None = True) -> list[str]:
    return list(api_notes(before, after, {"token": "https://t.example"}, has_log_role=has_log_role))


def test_a_stack_without_apis_says_nothing_of_them() -> None:
    assert notes({}, parameters()) == []
    assert notes(parameters(), parameters()) == []


def test_a_new_api_says_what_it_costs() -> None:
    token, key, secret = notes({}, parameters("token", "key"))
    assert token.startswith("token: HTTP API")
    assert "$1.00 per million" in token
    assert key.startswith("key: REST API")
    assert "$3.50 per million" in key
    assert secret == "the secret that signs tokens costs $0.40 a month"
    assert "https://id.example/" in notes({}, parameters("jwt"))[0]


def test_one_that_stays_says_nothing_and_one_that_ends_what_ends_with_it() -> None:
    assert notes(parameters("token"), parameters("token")) == []
    assert notes(parameters("key", cors="*"), parameters("key", cors="*"), has_log_role=False) == []
    moved = {**parameters("jwt"), "JwtIssuer": "https://id2.example/"}
    assert "https://id2.example/" in notes(parameters("jwt"), moved)[0]
    assert notes(parameters("token", "key", "iam"), parameters()) == [
        "all tokens end with the API of kind token: the secret that signs them is deleted",
        "all API keys of the stack are deleted with the API of kind key",
        "the API of kind iam and its address end",
    ]


def test_a_missing_role_for_logs_and_any_origin_are_said() -> None:
    for role, why in ((False, "the account has no role"), (None, "is not seen")):
        assert any(why in note for note in notes({}, parameters("key"), has_log_role=role))
    assert any(note.startswith("warning: web pages of any origin") for note in notes({}, parameters("iam", cors="*")))
