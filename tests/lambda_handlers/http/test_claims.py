"""The caller of an HTTP event."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.access.callers import Entry
from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.http.claims import caller_of
from lambda_handlers.wire import SldbError
from tests.fakes.gateway import ACCOUNT, http_event, rest_event

CLAIMS = {"sldb_name": "ada", "sldb_databases": "main orders", "sldb_scope": "write"}
ADA = Caller("ada", frozenset({"main", "orders"}), may_write=True)
ADA_OF_ISSUER = replace(ADA, name="jwt:ada")
NOW = 1_800_000_000.0
ENTRY = Entry("ada", frozenset({"main"}), True, 0)


def caller_by(context: dict[str, Any]) -> Caller:
    """Return the caller of an event of a front that sldb has not made."""
    return caller_of({"requestContext": context}, no_entry, NOW)


def no_entry(identity: str) -> Entry | None:
    raise AssertionError("the access document is not asked")


def code(event: dict[str, Any], **entries: Entry) -> str:
    """Return the name of the caller of an event, or the reason of its refusal. `entries`: by names of `IDENTITIES`."""
    known = {IDENTITIES[name]: entry for name, entry in entries.items()}
    try:
        return caller_of(event, known.get, NOW).name
    except SldbError as error:
        is_refusal = (error.code, error.details["applied"]) == ("forbidden", "no")
        return str(error.details["reason"]) if is_refusal else error.code


IDENTITIES = {
    "key": "key:k1",
    "role": "iam:arn:aws:iam::123456789012:role/App",
    "user": "iam:arn:aws:iam::123456789012:user/ada",
    "sub": "jwt:auth0|123",
}


@pytest.mark.parametrize(
    ("authorizer", "found"),
    [
        ({"lambda": CLAIMS}, ADA),
        ({"jwt": {"claims": CLAIMS, "scopes": None}}, ADA_OF_ISSUER),
        ({"claims": CLAIMS}, ADA_OF_ISSUER),
        ({**CLAIMS, "principalId": "ada", "integrationLatency": 3}, ADA),
    ],
    ids=["lambda 2.0", "jwt", "cognito", "lambda 1.0"],
)
def test_the_claims_in_each_form(authorizer: dict[str, Any], found: Caller) -> None:
    assert caller_by({"authorizer": authorizer}) == found


def test_an_issuer_gives_no_name_of_another_kind() -> None:
    """Whatever it says: an operator's entry has no name with that prefix, and no claim has it."""
    assert caller_by({"authorizer": {"jwt": {"claims": {"sub": "ada"}}}}).name == "jwt:ada"
    for name in ("jwt:ada", "jwt:jwt:ada"):
        assert code(jwt(**{**CLAIMS, "sldb_name": name})) == "unidentified"
        assert code(http_event("token", {"lambda": {**CLAIMS, "sldb_name": name}})) == "unidentified"
        with pytest.raises(ValueError, match="is no name"):
            Entry(name, None, True, 0)


@pytest.mark.parametrize("context", [{}, {"authorizer": None}, {"authorizer": {"iam": {"userArn": "arn"}}}])
def test_what_awss_own_policies_let_pass_is_an_operators(context: dict[str, Any]) -> None:
    assert caller_by(context) is OPERATOR


def test_a_claim_that_is_absent_gives_nothing() -> None:
    assert caller_by({"authorizer": {"lambda": {"sldb_name": "ada"}}}) == Caller("ada", frozenset(), may_write=False)
    assert caller_by({"authorizer": {"jwt": {"claims": {"sub": "ada"}}}}).databases == frozenset()


@pytest.mark.parametrize("scope", ["read", "", "WRITE", "read write", None, True])
def test_only_write_may_write(scope: object) -> None:
    assert not caller_by({"authorizer": {"lambda": {**CLAIMS, "sldb_scope": scope}}}).may_write


def test_all_databases_must_be_said() -> None:
    assert caller_by({"authorizer": {"lambda": {**CLAIMS, "sldb_databases": "*"}}}).databases is None


@pytest.mark.parametrize(
    "authorizer",
    [
        {},
        [],
        "ada",
        {"lambda": None},
        {"lambda": {}},
        {"lambda": {"sldb_databases": "*", "sldb_scope": "write"}},
        {"lambda": {**CLAIMS, "sldb_name": ""}},
        {"lambda": {**CLAIMS, "sldb_name": "a b"}},
        {"lambda": {**CLAIMS, "sldb_name": 4}},
        {"lambda": {**CLAIMS, "sldb_databases": ["*"]}},
        {"jwt": {}},
        {"iam": {}, "lambda": {}},
        {"principalId": "ada"},
    ],
)
def test_an_authorizer_that_names_no_caller_lets_nobody_pass(authorizer: object) -> None:
    with pytest.raises(SldbError) as caught:
        caller_by({"authorizer": authorizer})
    assert caught.value.code == "forbidden"


def jwt(**claims: object) -> dict[str, Any]:
    return http_event("jwt", {"jwt": {"claims": claims, "scopes": None}})


def iam(arn: object) -> dict[str, Any]:
    return http_event("iam", {"iam": {"accessKey": "ASIA", "accountId": ACCOUNT, "userArn": arn, "userId": "AROA:x"}})


EVENTS = {
    "token": http_event("token", {"lambda": CLAIMS}),
    "jwt": http_event("jwt", {"jwt": {"claims": {**CLAIMS, "sub": "auth0|123"}, "scopes": None}}),
    "iam": iam(f"arn:aws:sts::{ACCOUNT}:assumed-role/App/session"),
    "key": rest_event("key"),
}


def test_each_front_has_its_identity() -> None:
    found = {name: code(event, key=ENTRY, role=ENTRY) for name, event in EVENTS.items()}
    assert found == {**dict.fromkeys(EVENTS, "ada"), "jwt": "jwt:ada"}


@pytest.mark.parametrize("front", EVENTS)
@pytest.mark.parametrize("other", EVENTS)
def test_no_front_believes_the_identity_of_another(front: str, other: str) -> None:
    event = {**EVENTS[other], "stageVariables": {"sldb_front": front}}
    if front != other:
        assert code(event, key=ENTRY, role=ENTRY, user=ENTRY, sub=ENTRY) == "unidentified"


@pytest.mark.parametrize("front", EVENTS)
@pytest.mark.parametrize(
    "authorizer",
    [
        None,
        {},
        [],
        CLAIMS,
        {"claims": CLAIMS},
        {"lambda": CLAIMS, "jwt": {"claims": CLAIMS}},
        {"lambda": CLAIMS, "iam": {"userArn": f"arn:aws:iam::{ACCOUNT}:user/ada"}},
        {"lambda": None},
        {"jwt": {"claims": None}},
        {"jwt": None},
        {"iam": {"userArn": None}},
        {"iam": None},
    ],
)
def test_no_front_passes_without_its_identity(front: str, authorizer: object) -> None:
    """Also with a good one beside another: API Gateway has one authorizer for a route."""
    assert code(http_event(front, authorizer), key=ENTRY, role=ENTRY, user=ENTRY, sub=ENTRY) == "unidentified"


@pytest.mark.parametrize("front", ["", "TOKEN", "other", "none", 4, ["token"], {}])
def test_a_front_that_is_not_known_is_refused(front: object) -> None:
    for event in EVENTS.values():
        assert code({**event, "stageVariables": {"sldb_front": front}}, key=ENTRY, role=ENTRY) == "unknown_front"


@pytest.mark.parametrize("variables", [None, {}, {"sldb_front": None}, {"front": "key"}, "token"])
def test_without_the_variable_it_is_another_s_front(variables: object) -> None:
    assert caller_of({**EVENTS["token"], "stageVariables": variables}, no_entry, NOW) == ADA
    assert caller_of({**EVENTS["iam"], "stageVariables": variables}, no_entry, NOW) is OPERATOR
    assert caller_of({**EVENTS["key"], "stageVariables": variables}, no_entry, NOW) is OPERATOR


@pytest.mark.parametrize("name", ["key", "iam", "jwt"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"revoked_ms": 1}, "revoked"), ({"expires_ms": int(NOW * 1000)}, "expired"), ({}, "ada"), (None, "unknown")],
)
def test_an_entry_decides(name: str, changes: dict[str, int] | None, reason: str) -> None:
    event = jwt(sub="auth0|123") if name == "jwt" else EVENTS[name]
    entries = {} if changes is None else dict.fromkeys(("key", "role", "sub"), replace(ENTRY, **changes))
    assert code(event, **entries) == reason


def test_the_rights_are_those_of_the_entry() -> None:
    entry = Entry("bob", None, False, 0, expires_ms=int(NOW * 1000) + 1)
    assert caller_of(EVENTS["key"], {"key:k1": entry}.get, NOW) == Caller("bob", None, may_write=False)


def test_an_entry_that_cannot_be_read_is_an_error() -> None:
    def find(identity: str) -> Entry | None:
        raise SldbError("store_error", "no answer")

    for event in (EVENTS["key"], EVENTS["iam"], jwt(sub="x")):
        with pytest.raises(SldbError, match="no answer"):
            caller_of(event, find, NOW)


@pytest.mark.parametrize(
    ("arn", "found"),
    [
        (f"arn:aws:iam::{ACCOUNT}:role/App", "role"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/App/ada@example.com", "role"),
        (f"arn:aws:iam::{ACCOUNT}:role/team/App", "role"),
        (f"arn:aws:iam::{ACCOUNT}:user/ada", "user"),
        (f"arn:aws:iam::{ACCOUNT}:user/team/ada", "user"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/app/session", "unknown"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/Other/App", "unknown"),
        ("arn:aws:sts::999999999999:assumed-role/App/session", "unknown"),
        (f"arn:aws-cn:sts::{ACCOUNT}:assumed-role/App/session", "unknown"),
        (f"arn:aws:iam::{ACCOUNT}:root", "unknown"),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/ada", "unknown"),
        ("", "unknown"),
        (["arn"], "unidentified"),
    ],
)
def test_a_principal_is_found_by_its_arn(arn: object, found: str) -> None:
    assert code(iam(arn), role=replace(ENTRY, name="role"), user=replace(ENTRY, name="user")) == found


@pytest.mark.parametrize(
    ("api_key_id", "found"),
    [
        ("k1", "ada"),
        ("k2", "unknown"),
        ("", "unknown"),
        (None, "unidentified"),
        (1, "unidentified"),
        ("k1/../k1", "unknown"),
    ],
)
def test_a_key_is_found_by_its_id_and_not_by_its_value(api_key_id: object, found: str) -> None:
    assert code(rest_event("key", api_key_id), key=ENTRY) == found


@pytest.mark.parametrize("prefix", ["", "custom:", "https://example.com/", "https://example.com/claims/", "http://x/"])
def test_claims_with_the_prefix_of_a_provider(prefix: str) -> None:
    claims = {f"{prefix}{name}": value for name, value in CLAIMS.items()}
    assert caller_of(jwt(sub="x", **claims), no_entry, NOW) == ADA_OF_ISSUER


@pytest.mark.parametrize("prefix", ["Custom:", "custom:custom:", "x", "custom:x", "https://", "ftp://x/", "/", " "])
def test_other_prefixes_are_other_claims(prefix: str) -> None:
    """They give nothing, and the subject needs an entry."""
    claims = {f"{prefix}{name}": value for name, value in CLAIMS.items()}
    assert code(jwt(sub="x", **claims)) == "unknown"


def test_claims_that_differ_in_prefix_and_value_are_refused() -> None:
    for more in ({"custom:sldb_databases": "*"}, {"https://x/sldb_scope": "read"}, {"custom:sldb_name": "eve"}):
        assert code(jwt(**CLAIMS, **more)) == "ambiguous"
        assert code(jwt(**more, **CLAIMS)) == "ambiguous"
    assert code(jwt(**CLAIMS, **{f"custom:{name}": value for name, value in CLAIMS.items()})) == "jwt:ada"


@pytest.mark.parametrize(
    ("databases", "granted"),
    [
        ("main orders", {"main", "orders"}),
        ("[main orders]", {"main", "orders"}),
        ("[main]", {"main"}),
        ("[]", set()),
        ("", set()),
        (" main  orders ", {"main", "orders"}),
        ("*", None),
    ],
)
def test_the_forms_of_a_list(databases: str, granted: set[str] | None) -> None:
    caller = caller_of(jwt(sub="ada", sldb_databases=databases), no_entry, NOW)
    assert (caller.databases, caller.may_write) == (granted, False)


@pytest.mark.parametrize(
    "databases",
    [
        "[*]",
        "* ",
        " *",
        "[* main]",
        "main *",
        "**",
        "[*",
        "[[*]]",
        "main,orders",
        "Main",
        "_access",
        "../main",
        "main\x00",
    ],
)
def test_what_is_no_name_of_a_database_is_refused(databases: str) -> None:
    assert code(jwt(sub="ada", sldb_databases=databases)) == "bad_claim"


@pytest.mark.parametrize("databases", [None, ["*"], ["main"], True, {"main": 1}])
def test_what_api_gateway_does_not_write_is_refused(databases: object) -> None:
    assert code(jwt(sub="ada", sldb_databases=databases)) == "unidentified"


def test_claims_outweigh_an_entry() -> None:
    """The issuer's word is the narrower or the wider one: never both together."""
    assert caller_of(jwt(sub="auth0|123", sldb_name="x", sldb_scope="write"), no_entry, NOW).databases == frozenset()
    assert code(jwt(sub="auth0|123", sldb_name="x"), sub=ENTRY) == "ada"
    assert code(jwt(sldb_name="x"), sub=ENTRY) == "unidentified"


NAMES = st.sampled_from(["lambda", "jwt", "iam", "claims", *CLAIMS, "sub", "userArn", "apiKeyId"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
)


@given(st.sampled_from([*EVENTS, None]), JSON, JSON)
def test_no_event_raises_anything_but_forbidden(front: str | None, authorizer: object, identity: object) -> None:
    for event in (http_event(front, authorizer), rest_event(front, identity)):
        event["requestContext"].update(authorizer=authorizer, identity=identity)
        assert code(event) != "forbidden"  # without a reason
