"""Attempts to pass the fronts of API Gateway as another caller, with more rights, or after one's rights have ended.

docs/security.md has the table of these tests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.access.tokens import key_id_of
from tests.fakes.gateway import Event, http_event
from tests.lambda_handlers.attacks.callers import MINE, OTHER, SECOND
from tests.lambda_handlers.attacks.fronts import (
    COUNT,
    EVERYTHING,
    INSERT,
    OTHER_SECRET,
    READ,
    SECRET,
    STEAL,
    WRITE,
    Stack,
    stolen,
    token,
)

MAX_SECONDS = 40.0  # from a revocation until it counts everywhere


@pytest.fixture
def stack() -> Iterator[Stack]:
    stack = Stack()
    with closing(stack.service):
        yield stack


def encoded(data: object) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(claims: object, key: bytes, algorithm: str = "sha256") -> str:
    text = f"sldb_{encoded(claims)}"
    return f"{text}.{encoded(hmac.new(key, text.encode(), algorithm).digest())}"


KID = key_id_of(SECRET)
GOOD = {"v": 1, "id": READ, "kid": KID}
PARTS = token().removeprefix("sldb_").split(".")
FORGED = {
    "another key": token(secret=OTHER_SECRET),
    "another key, by the id of the right one": signed(GOOD, OTHER_SECRET.encode()),
    "the id of another": f"sldb_{encoded({**GOOD, 'id': EVERYTHING})}.{PARTS[1]}",
    "the claims of another": token(EVERYTHING).rpartition(".")[0] + "." + PARTS[1],
    "a key id that is a path": signed({**GOOD, "kid": "../../main"}, b""),
    "a key id that is null": signed({**GOOD, "kid": None}, b""),
    "a key id that is a list": signed({**GOOD, "kid": [KID]}, SECRET.encode()),
    "no key": signed(GOOD, b""),
    "the key id as the key": signed(GOOD, KID.encode()),
    "the digest of the key as the key": signed(GOOD, hashlib.sha256(SECRET.encode()).digest()),
    "no algorithm": f"sldb_{encoded({**GOOD, 'alg': 'none'})}.",
    "no algorithm, and a signature": f"sldb_{encoded({**GOOD, 'alg': 'none'})}.{PARTS[1]}",
    "another algorithm": signed({**GOOD, "alg": "HS512"}, SECRET.encode(), "sha512"),
    "a digest without a key": f"sldb_{PARTS[0]}.{encoded(hashlib.sha256(f'sldb_{PARTS[0]}'.encode()).digest())}",
    "the claims alone, signed": f"sldb_{PARTS[0]}.{encoded(hmac.digest(SECRET.encode(), PARTS[0].encode(), 'sha256'))}",
    "a JWT": ".".join([encoded({"alg": "none"}), encoded(GOOD), ""]),
    "a JWT in our form": f"sldb_{encoded({'alg': 'none'})}.{encoded(GOOD)}.{PARTS[1]}",
    "another version": signed({**GOOD, "v": 2}, SECRET.encode()),
    "two ids": signed(b'{"v":1,"id":"%b","id":"%b","kid":"%b"}' % (READ.encode(), b"x" * 26, KID.encode()), b""),
    "an id that no entry has": token("a" * 26),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_forge_a_token(stack: Stack, forged: str) -> None:
    assert stack.send(forged) == (403, {"message": "Forbidden"})
    assert forged not in stack.log.getvalue()
    assert stack.send(token())[0] == 200


@pytest.mark.parametrize(
    "header",
    [
        "Bearer " + token()[:-1],
        "Bearer " + token()[1:],
        "Bearer " + token() + "=",
        "Bearer " + token() + " x",
        "Bearer " + token().replace(".", ". "),
        "Bearer " + token().upper(),
        "Bearer " + token() * 2,
        "Bearer " + token() + "A" * 10_000,
        "Bearer sldb_" + "A" * 10_000 + "." + PARTS[1],
        "Bearer sldb_" + encoded(b"[" * 600) + "." + PARTS[1],
        "Bearer sldb_" + encoded(b'{"v":' + b"9" * 500 + b"}") + "." + PARTS[1],
        "Bearer sldb_" + encoded(b"\xff\xfe\xff") + "." + PARTS[1],
        "Bearer",
        "Basic " + token(),
        token(),
    ],
)
def test_send_what_is_no_token_of_a_caller(stack: Stack, header: str) -> None:
    assert stack.front.request(header) == (403, {"message": "Forbidden"})


def test_send_a_token_by_another_way(stack: Stack) -> None:
    """One header is the token, whatever else the request has; several arrive as one text with commas."""
    assert stack.front.request(None, f"/{MINE}/query?authorization={token()}") == (401, {"message": "Unauthorized"})
    for header in (f"Bearer {token()},Bearer {token(EVERYTHING)}", f"Bearer {token()}, Bearer {token()}"):
        assert stack.front.request(header, f"/{MINE}/query", COUNT) == (403, {"message": "Forbidden"})
    for scheme in ("bearer", "BEARER", "bEaReR"):  # which are the same
        assert stack.front.request(f"{scheme} {token()}", f"/{MINE}/query", COUNT)[0] == 200


def test_give_a_token_more_rights_by_its_claims(stack: Stack) -> None:
    """As an operator may have written them: they are for people."""
    generous = token(scope="write", name="all", expires="2999-01-01T00:00:00Z")
    more = signed({**GOOD, "databases": "*", "sldb_databases": "*", "scope": "write"}, SECRET.encode())
    for text in (generous, more):
        assert stack.send(text)[0] == 200
        for path, body in ((f"/{MINE}/query", INSERT), (f"/{OTHER}/query", STEAL), ("/", {**STEAL, "database": OTHER})):
            status, answer = stack.send(text, path, body)
            assert (status, answer["error"]["code"], stolen(answer["error"].get("rows"))) == (403, "forbidden", False)


@pytest.mark.parametrize("steps", [[(19.9, 200), (19.9, 200), (0.2, 403)], [(20.0, 403)]])  # 40 seconds in all
def test_use_a_token_at_the_worst_time_after_it_was_revoked(stack: Stack, steps: list[tuple[float, int]]) -> None:
    """The authorizer has just read the list, and uses it for the token shortly before it is too old."""
    assert stack.send(token(WRITE))[0] == 200
    stack.entries.pop(f"token:{READ}")
    stack.write()
    for seconds, status in steps:
        stack.clock.time += seconds
        assert stack.send(token())[0] == status


@settings(max_examples=40)
@given(
    st.lists(st.floats(0, 40), min_size=1, max_size=20),
    st.integers(0, 10),
    st.sampled_from([{"revoked_ms": 1}, None, {"expires_ms": 1}]),
)
def test_use_a_token_that_was_revoked(gaps: list[float], revoked_after: int, changes: dict[str, Any] | None) -> None:
    """Whatever the times of the requests before: API Gateway's cache and the authorizer's copy each have an age."""
    stack = Stack()
    with closing(stack.service):
        revoked_at = None
        for number, gap in enumerate(gaps):
            if number == revoked_after:
                revoked_at = stack.clock.time
                stack.entries.pop(f"token:{READ}")
                if changes is not None:
                    stack.entries[f"token:{READ}"] = replace(stack.entries[f"token:{WRITE}"], **changes)
                stack.write()
            stack.clock.time += gap
            status, _ = stack.send(token())
            if revoked_at is None:
                assert status == 200
            elif stack.clock.time - revoked_at >= MAX_SECONDS:
                assert status == 403


@pytest.mark.parametrize("front", ["key", "iam", "jwt"])
def test_use_a_key_or_principal_that_was_revoked(stack: Stack, front: str) -> None:
    assert stack.handle(stack.events()[front])[0] == 200
    stack.entries = {name: replace(entry, revoked_ms=1) for name, entry in stack.entries.items()}
    stack.write()
    stack.clock.time += 30
    status, body = stack.handle(stack.events()[front])
    assert (status, body["error"]["reason"]) == (403, "revoked")
    stack.entries = {}
    stack.write()
    stack.clock.time += 30
    status, body = stack.handle(stack.events()[front])
    assert (status, body["error"]["reason"]) == (403, "unknown")


@pytest.mark.parametrize("path", [f"/{MINE}/query", "/", "/health", "/v3/pipeline", "/nowhere"])
def test_be_identified_by_another_front(stack: Stack, path: str) -> None:
    events = stack.events(path, INSERT)
    for front in events:
        for other, event in events.items():
            variables = {"stageVariables": {"sldb_front": front}}
            if other != front:
                status, body = stack.handle({**event, **variables})
                assert (status, body["error"]["code"]) == (403, "forbidden")
            stripped = {**event, **variables, "requestContext": {**event["requestContext"], "authorizer": None}}
            stripped["requestContext"]["identity"] = {"apiKey": "k1", "userArn": "arn:aws:iam::123456789012:role/App"}
            assert stack.handle(stripped)[0] == 403
    assert stack.send(token(WRITE), f"/{MINE}/query", COUNT)[1]["rows"] == [[1]]


def test_name_another_caller_in_a_request(stack: Stack) -> None:
    """In a header, the query, the body: only the place of the front counts."""
    names = {"sldb_name": "all", "sldb_databases": "*", "sldb_scope": "write", "sldb_front": "none"}
    for front, event in stack.events(f"/{OTHER}/query", STEAL).items():
        forged: Event = {**event, "headers": {**event["headers"], **names}, "queryStringParameters": names}
        forged.update(cookies=[f"{name}={value}" for name, value in names.items()], authorizer={"lambda": names})
        status, body = stack.handle(forged)
        assert (status, body["error"]["code"], front) == (403, "forbidden", front)
    for body in ({**COUNT, "caller": "all"}, {"action": "result", "request_id": "of-theirs", "caller": "all"}):
        assert stack.send(token(WRITE), f"/{MINE}/query", body)[0] in (400, 403)


@pytest.mark.parametrize("named", ["sldb_name", "sub"])
def test_take_the_name_of_a_caller_of_another_front(stack: Stack, named: str) -> None:
    """An issuer of JWTs can give any name: its callers go on with no request, reply or transaction of the others."""
    claims = {named: "writer", "sldb_databases": MINE, "sldb_scope": "write"}

    def by_issuer(body: object, path: str = "query") -> tuple[int, Any]:
        authorizer = {"jwt": {"claims": claims, "scopes": None}}
        return stack.handle(http_event("jwt", authorizer, f"/{MINE}/{path}", body, stack.clock.time))

    insert = {"query": "INSERT INTO t VALUES (NULL, 'of the token') RETURNING b", "request_id": "r"}
    begin = {"query": "DELETE FROM t", "transaction": {"begin": True}}
    result = {"action": "result", "arguments": {"request_id": "r"}}
    open_pipeline = {"requests": [{"type": "execute", "stmt": {"sql": sql}} for sql in ("BEGIN", "DELETE FROM t")]}
    assert stack.send(token(WRITE), body=insert)[1]["rows"] == [["of the token"]]
    transaction = stack.send(token(WRITE), body=begin)[1]["transaction"]
    baton = stack.send(token(WRITE), f"/{MINE}/v3/pipeline", open_pipeline)[1]["baton"]

    assert by_issuer(result)[1]["state"] == "not_applied"
    assert by_issuer({**insert, "query": insert["query"].replace("token", "JWT")})[1]["rows"] == [["of the JWT"]]
    assert by_issuer({"query": "SELECT 1", "transaction": transaction})[1]["error"]["code"] == "bad_request"
    assert by_issuer({"baton": baton, "requests": [{"type": "close"}]}, "v3/pipeline")[0] == 404
    assert by_issuer({**result, "arguments": {"request_id": "r", "caller": "writer"}})[0] == 403
    before = {info.key for info in stack.store.list_objects("_cancel/")}
    assert by_issuer({**result, "action": "cancel"})[0] == 200
    its_mark = {info.key for info in stack.store.list_objects("_cancel/")} - before
    assert stack.send(token(WRITE), body={**result, "action": "cancel"})[0] == 200
    assert len({info.key for info in stack.store.list_objects("_cancel/")} - before - its_mark) == 1

    signed_by = [line["caller"] for line in by_issuer({"action": "history"})[1]["transactions"]]
    assert signed_by[:2] == ["jwt:writer", "writer"]
    assert stack.send(token(WRITE), body=insert)[1]["rows"] == [["of the token"]]


@pytest.mark.parametrize(
    "claims",
    [
        {"sldb_databases": "[*]"},
        {"sldb_databases": "* "},
        {"sldb_databases": f"{MINE} *"},
        {"sldb_databases": ["*"]},
        {"sldb_databases": {"*": 1}},
        {"sldb_databases": MINE, "custom:sldb_databases": "*"},
        {"sldb_databases": "*", "https://example.com/sldb_databases": MINE},
        {"custom:sldb_databases": MINE, "https://example.com/sldb_databases": "*"},
        {"sldb_scope": "write", "xsldb_databases": "*"},
        {"sldb_scope": "write", "databases": "*"},
        {"cognito:sldb_databases": "*"},
    ],
)
def test_have_all_databases_by_a_claim(stack: Stack, claims: dict[str, Any]) -> None:
    authorizer = {"jwt": {"claims": {"sub": "stranger", **claims}, "scopes": None}}
    status, body = stack.handle(http_event("jwt", authorizer, f"/{OTHER}/query", STEAL, stack.clock.time))
    assert (status, body["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "names", [["../vault"], [OTHER, "*"], ["*"], f"{MINE} {OTHER}", ["_keys"], [""], None, ["vault/"]]
)
def test_use_an_entry_with_invalid_names(stack: Stack, names: object) -> None:
    """As only an operator can have written it, by hand. Other callers are not concerned."""
    entry = {**stack.entries["key:k1"].encode(), "databases": names}
    entries = {name: known.encode() for name, known in stack.entries.items()}
    callers = {**entries, "key:k1": entry, f"token:{READ}": entry}
    stack.write(json.dumps({"version": 1, "key_ids": [KID], "callers": callers}).encode())
    status, body = stack.handle(stack.events(f"/{OTHER}/query", STEAL)["key"])
    assert (status, body["error"]["code"]) == (500, "corrupt")
    assert stack.send(token(READ), f"/{OTHER}/query", STEAL) == (500, {"message": "Internal Server Error"})
    assert stack.send(token(WRITE))[0] == 200


@pytest.mark.parametrize("data", [b"", b"{}", b'{"version": 2}', b"[" * 10_000, b"\xff", b'{"version": 1, "deny": []}'])
def test_pass_while_the_list_is_damaged(stack: Stack, data: bytes) -> None:
    assert stack.send(token())[0] == 200
    stack.write(data)
    stack.clock.time += MAX_SECONDS
    assert stack.send(token())[0] == 500
    events = stack.events()
    assert {front: stack.handle(events[front])[0] for front in ("key", "iam", "jwt")} == {
        "key": 500,
        "iam": 500,
        "jwt": 500,
    }


def test_have_forged_tokens_cost_requests(stack: Stack) -> None:
    """A thousand a second for ten seconds: some name the right key, and some keys that there are not."""
    before = stack.asked.requests
    for number in range(10_000):
        kid = KID if number % 3 else f"{number:08x}"
        stack.send(f"sldb_{encoded({**GOOD, 'kid': kid})}.{PARTS[1][:-4]}{number:04d}")
        stack.clock.time += 0.001
    assert stack.asked.requests - before <= 12
    assert stack.read_secrets == ["AWSCURRENT"]


def test_write_by_a_front_with_the_right_to_read(stack: Stack) -> None:
    for path in (f"/{MINE}/query", "/query", "/", f"/{SECOND}/query"):
        status, body = stack.send(token(READ), path, INSERT)
        assert (status, body["error"]["code"]) == (403, "forbidden")
    assert stack.send(token(WRITE), f"/{MINE}/query", INSERT)[0] == 200
