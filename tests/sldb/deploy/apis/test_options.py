from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.deploy.apis.options import API_DEFAULTS, KIND_PARAMETERS, ApiChoices, kinds_of
from sldb.deploy.parameters import Choices, resolve

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0f0f"
JWT = {"jwt_issuer": "https://id.example/", "jwt_audience": "api"}
DOMAIN = {"api_domain": "db.example.com", "api_certificate": CERTIFICATE}


def resolved(previous: dict[str, str] | None = None, **choices: Any) -> dict[str, str]:
    return resolve("test-db", Choices(apis=ApiChoices(**choices)), {}, previous or {})


def test_there_is_no_api_unless_it_is_asked_for() -> None:
    values = resolved()
    assert kinds_of(values) == ()
    assert {name: values[name] for name in API_DEFAULTS} == API_DEFAULTS


@pytest.mark.parametrize("api", [("token", "key"), ("token,key",), ("key, token",), ("token", "token,key")])
def test_kinds_are_given_together_or_one_by_one(api: tuple[str, ...]) -> None:
    assert kinds_of(resolved(api=api)) == ("token", "key")


def test_the_given_kinds_are_all_kinds_and_none_is_no_kind() -> None:
    before = resolved(api=("token", "iam"), cors="https://a.example")
    assert kinds_of(resolved(before)) == ("token", "iam")
    assert kinds_of(resolved(before, api=("key",))) == ("key",)
    assert kinds_of(resolved(before, api=("none",))) == ()
    assert resolved(before, api=("none",))["CorsOrigins"] == "https://a.example"


choices = st.fixed_dictionaries(
    {},
    optional={
        "api": st.lists(st.sampled_from(list(KIND_PARAMETERS)), min_size=1).map(tuple),
        "cors": st.sampled_from(["https://a.example", "http://localhost:3000, https://b.example", "*", "none"]),
        "api_rate": st.integers(1, 1000),
        "api_burst": st.integers(1, 1000),
    },
)


@given(choices)
def test_what_is_not_given_stays(given_: dict[str, Any]) -> None:
    kinds = (*given_.get("api", ()), "jwt", "key")
    first = resolved(**{**given_, **JWT, "api": kinds})
    assert resolved(first) == first


@pytest.mark.parametrize("kind", [None, *KIND_PARAMETERS])
def test_none_removes_what_can_be_removed(kind: str | None) -> None:
    api = {"api": (kind,)} if kind else {}
    more = JWT if kind == "jwt" else {"key_quota": "7/day"} if kind == "key" else {}
    before = resolved(**api, **more, **({**DOMAIN, "cors": "*"} if kind else {}))
    removes = {"api_domain": "none", "cors": "none", **({"key_quota": "none"} if kind == "key" else {})}
    after = resolved(before, **removes)
    assert {after[name] for name in ("ApiDomain", "ApiCertificate", "CorsOrigins", "KeyQuota")} == {""}


def test_values_are_written_as_the_template_takes_them() -> None:
    values = resolved(
        api=("key", "jwt"), key_quota="1000/day", cors="https://a.example , https://b.example", **JWT, key_rate=5
    )
    assert values["KeyQuota"] == "1000/DAY"
    assert values["CorsOrigins"] == "https://a.example,https://b.example"
    assert (values["KeyRate"], values["JwtIssuer"]) == ("5", "https://id.example/")
    assert resolved(api=("token",), **{**DOMAIN, "api_domain": "DB.example.com"})["ApiDomain"] == "db.example.com"


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"api": ("tokens",)}, "--api: got 'tokens', want token, key, jwt, iam or none"),
        ({"api": ("",)}, "--api: got ''"),
        ({"api": ("open",)}, "--api: got 'open'"),
        ({"api": ("none", "key")}, "none removes all"),
        ({"api": ("jwt",)}, "--api jwt accepts the tokens of one issuer"),
        ({"api": ("jwt",), "jwt_issuer": "https://id.example"}, "--api jwt accepts"),
        ({"api": ("jwt",), **JWT, "jwt_issuer": "http://id.example"}, "--jwt-issuer: got"),
        ({"api": ("jwt",), **JWT, "jwt_issuer": "https://id.example/?a"}, "--jwt-issuer: got"),
        ({"api": ("jwt",), **JWT, "jwt_issuer": "https://u:p@id.example"}, "--jwt-issuer: got"),
        ({"api": ("jwt",), **JWT, "jwt_audience": "a,,b"}, "--jwt-audience: got"),
        ({"api": ("token",), **JWT}, "--jwt-issuer is for the API of kind jwt"),
        ({"api": ("token",), "key_rate": 5}, "--key-rate is for the API of kind key"),
        ({"api": ("token",), "key_quota": "5/day"}, "--key-quota is for the API of kind key"),
        ({"api": ("key",), "key_quota": "5"}, "--key-quota: got '5'"),
        ({"api": ("key",), "key_quota": "5/hour"}, "--key-quota: got '5/hour'"),
        ({"api": ("key",), "key_quota": "0/day"}, "--key-quota: got '0/day'"),
        ({"api": ("key",), "key_rate": 0}, "--key-rate: got '0'"),
        ({"api_burst": -1}, "--api-burst: got '-1'"),
        ({"api_rate": 1_000_000}, "--api-rate: got '1000000'"),
        (DOMAIN, "--api-domain is for an API"),
        ({"api": ("none",), "cors": "*"}, "--cors is for an API"),
        ({"api_rate": 5}, "--api-rate is for an API"),
        ({"api_burst": 5}, "--api-burst is for an API"),
        ({"api": ("token", "key"), **DOMAIN}, "can serve one kind of API, and the stack has token, key"),
        ({"api": ("token",), "api_domain": "db.example.com"}, "db.example.com needs a certificate"),
        ({"api": ("token",), "api_certificate": CERTIFICATE}, "--api-certificate is for a domain"),
        ({"api": ("token",), **DOMAIN, "api_domain": "https://db.example.com"}, "--api-domain: got"),
        ({"api": ("token",), **DOMAIN, "api_certificate": "arn:aws:iam::1:role/x"}, "--api-certificate: got"),
        ({"cors": "a.example"}, "--cors: got 'a.example'"),
        ({"cors": "https://a.example/"}, "--cors: got 'https://a.example/'"),
        ({"cors": "https://a.example,*"}, "--cors: got"),
        ({"cors": "null"}, "--cors: got 'null'"),
    ],
)
def test_a_choice_that_makes_no_sense_is_named(given_: dict[str, Any], says: str) -> None:
    with pytest.raises(SldbError) as caught:
        resolved(**given_)
    assert says in caught.value.message
    assert (caught.value.code, caught.value.exit_code) == ("bad_request", 2)


def test_a_second_kind_does_not_go_with_the_domain_of_the_stack() -> None:
    before = resolved(api=("token",), **DOMAIN)
    with pytest.raises(SldbError, match="can serve one kind") as caught:
        resolved(before, api=("token", "iam"))
    assert "--api-domain none" in caught.value.hint
    assert kinds_of(resolved(before, api=("iam",))) == ("iam",)


def test_the_hint_for_another_kind_keeps_those_of_the_stack() -> None:
    with pytest.raises(SldbError) as caught:
        resolved(api=("token", "iam"), key_rate=5)
    assert caught.value.hint == "add --api token,iam,key"
