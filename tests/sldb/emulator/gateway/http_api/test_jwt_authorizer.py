"""JWT authorizers: which tokens pass."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.emulator.gateway.http_api import issuer_keys, routes, tokens
from sldb.emulator.gateway.http_api.apis import Authorizer, Route
from sldb.emulator.gateway.http_api.issuer_keys import IssuerKeys, Unreachable, fetch_url
from sldb.emulator.gateway.http_api.jwt_authorizer import JwtAuthorizers
from sldb.emulator.gateway.http_api.payload import Routed
from sldb.emulator.gateway.http_api.tokens import InvalidToken
from sldb.emulator.gateway.messages import Refused, Response, joined
from tests.fakes.aws.gateway import request
from tests.fakes.aws.issuer import Issuer, encoded, private_key, served
from tests.fakes.clock import Clock


@dataclass
class World:
    issuer: Issuer = field(default_factory=Issuer)
    clock: Clock = field(default_factory=Clock)
    audience: tuple[str, ...] = ("sldb", "other")
    scopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.authorizers = JwtAuthorizers(IssuerKeys(self.issuer.fetch, self.clock.now), self.clock.now)

    def token(self, **more: Any) -> str:
        return self.issuer.token(self.clock.now(), **more)

    def authorize(self, token: str | None) -> dict[str, Any]:
        sources = ("$request.header.Authorization",)
        authorizer = Authorizer("id", "JWT", "", False, "", sources, 0, self.issuer.url, self.audience)
        headers = () if token is None else (("Authorization", token),)
        routed = Routed(request(headers=headers), "abc", "$default", {}, "POST /", {})
        route = Route(routes.parse("POST /"), "JWT", authorizer, self.scopes, None)
        return self.authorizers.authorize(authorizer, route, routed)

    def refusal(self, token: str | None) -> Response:
        with pytest.raises(Refused) as caught:
            self.authorize(token)
        return caught.value.response

    def description(self, token: str | None) -> str:
        found = self.refusal(token)
        assert (found.status, json.loads(found.body)) == (401, {"message": "Unauthorized"})
        return joined(found.headers)["www-authenticate"]


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer "])
def test_a_good_token_passes(world: World, prefix: str) -> None:
    claims = world.authorize(prefix + world.token(groups=["a", "b"], admin=True, level=3))["jwt"]["claims"]
    assert (claims["iss"], claims["groups"], claims["admin"], claims["level"]) == (
        world.issuer.url,
        "[a b]",
        "true",
        "3",
    )


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"iss": "https://issuer.example"}, "invalid issuer"),
        ({"iss": None}, "invalid issuer"),
        ({"aud": "else"}, "does not have a valid audience"),
        ({"aud": []}, "does not have a valid audience"),
        ({"aud": None}, "does not have a valid audience"),
        ({"aud": "else", "client_id": "sldb"}, "does not have a valid audience"),
        ({"exp": 1}, "has expired"),
        ({"exp": None}, "has expired"),
        ({"exp": "tomorrow"}, "malformed"),
        ({"exp": True}, "malformed"),
        ({"nbf": 4_000_000_000}, "not valid yet"),
        ({"iat": 4_000_000_000}, "before issued"),
    ],
)
def test_claims_that_do_not_fit(world: World, claims: dict[str, Any], words: str) -> None:
    found = world.description(world.token(**claims))
    assert found.startswith('Bearer scope="" error="invalid_token" error_description="')
    assert words in found


@pytest.mark.parametrize("claims", [{"aud": ["x", "other"]}, {"aud": None, "client_id": "sldb"}, {"nbf": 5, "iat": 5}])
def test_claims_that_fit(world: World, claims: dict[str, Any]) -> None:
    assert "jwt" in world.authorize(world.token(**claims))


def test_a_token_ends_at_its_time(world: World) -> None:
    token = world.token()
    world.clock.sleep(3599)
    assert "jwt" in world.authorize(token)
    world.clock.sleep(1)
    assert "has expired" in world.description(token)


def test_no_token_is_401(world: World) -> None:
    assert world.description(None) == "Bearer"


@pytest.mark.parametrize("token", ["x", "a.b", "Basic abc", "..", "e30.e30.", "Bearer a b", "é.é.é", "e30=.e30.e30"])
def test_what_is_no_token_is_401(world: World, token: str) -> None:
    assert "malformed" in world.description(token)


def test_unsigned_and_foreign_signatures_are_refused(world: World) -> None:
    header, claims, _ = world.token().split(".")
    assert "signature is invalid" in world.description(f"{header}.{claims}.")
    other = Issuer(keys={"key-1": private_key(1)})
    assert "signature is invalid" in world.description(other.token(world.clock.now()))
    assert "is invalid" in world.description(world.token(header={"alg": "none"}))
    assert "is invalid" in world.description(world.token(header={"alg": "ES256"}))
    assert "not one of the issuer's" in world.description(world.token(header={"kid": "key-2"}))


def test_the_public_key_is_no_secret_of_hmac(world: World) -> None:
    """The attack on verifiers that take the algorithm from the token."""
    header = encoded(json.dumps({"alg": "HS256", "kid": "key-1"}).encode())
    signed = f"{header}.{world.token().split('.')[1]}"
    for secret in (world.issuer.fetch(world.issuer.url.rstrip("/") + "/keys"), b""):
        signature = encoded(hmac.new(secret, signed.encode(), hashlib.sha256).digest())
        assert "HS256 is invalid" in world.description(f"{signed}.{signature}")


@given(st.integers(0, 2000), st.sampled_from("AZaz09-_."))
def test_a_changed_token_is_refused(position: int, letter: str) -> None:
    world = World()
    token = world.token()
    position %= len(token)
    changed = token[:position] + letter + token[position + 1 :]
    if decoded(changed) == decoded(token):  # the last letter of base64 has bits without a meaning
        assert "jwt" in world.authorize(changed)
    else:
        assert world.refusal(changed).status == 401


def decoded(token: str) -> tokens.Token | None:
    try:
        return tokens.decode(token)
    except InvalidToken:
        return None


@given(st.text(max_size=60))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    with pytest.raises(InvalidToken):
        tokens.check_claims(tokens.decode(text).claims, "i", ("a",), 0)


@pytest.mark.parametrize(
    ("claims", "shown"),
    [
        ({"scope": "read other"}, ["read"]),
        ({"scp": ["write", "read"]}, ["read", "write"]),
        ({"scope": "write"}, ["write"]),
    ],
)
def test_one_of_the_routes_scopes_is_enough(claims: dict[str, Any], shown: list[str]) -> None:
    world = World(scopes=("read", "write"))
    assert world.authorize(world.token(**claims))["jwt"]["scopes"] == shown


@pytest.mark.parametrize("claims", [{}, {"scope": "reader"}, {"scp": "x"}, {"scope": 5}])
def test_without_the_routes_scopes_it_is_403(claims: dict[str, Any]) -> None:
    world = World(scopes=("read", "write"))
    found = world.refusal(world.token(**claims))
    assert (found.status, json.loads(found.body)) == (403, {"message": "Forbidden"})
    assert 'scope="read write" error="insufficient_scope"' in joined(found.headers)["www-authenticate"]


def test_keys_are_kept_for_two_hours(world: World) -> None:
    for _ in range(3):
        world.authorize(world.token())
    assert len(world.issuer.fetched) == 2
    world.clock.sleep(issuer_keys.KEPT_SECONDS)
    world.authorize(world.token())
    assert len(world.issuer.fetched) == 4


def test_a_new_key_is_fetched_and_an_old_one_that_is_gone_is_refused(world: World) -> None:
    old = world.token()
    world.authorize(old)
    world.issuer.keys = {"key-2": private_key(1)}
    assert "jwt" in world.authorize(world.token())
    assert "not one of the issuer's" in world.description(old)


def test_an_issuer_that_does_not_answer_lets_nobody_pass(world: World) -> None:
    world.authorizers = JwtAuthorizers(IssuerKeys(lambda _url: b"<html>"), world.clock.now)
    assert "communication error" in world.description(world.token())


@pytest.mark.parametrize(
    "documents",
    [
        [b"[]"],
        [b"{}"],
        [b'{"jwks_uri": 5}'],
        [b'{"jwks_uri": "https://i/keys"}', b"{}"],
        [b'{"jwks_uri": "https://i/keys"}', b'{"keys": [{"kty": "RSA", "kid": "a"}]}'],
        [b'{"jwks_uri": "https://i/keys"}', b'{"keys": [{"kty": "RSA", "kid": "a", "n": 5, "e": "AQAB"}]}'],
        [b'{"jwks_uri": "https://i/keys"}', b'{"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}]}'],
    ],
)
def test_damaged_documents_of_an_issuer(documents: list[bytes]) -> None:
    answers = iter(documents)
    with pytest.raises(Unreachable):
        IssuerKeys(lambda _url: next(answers)).find("https://i", "a")


def test_keys_come_over_https_or_from_this_machine() -> None:
    with served() as issuer:
        assert IssuerKeys().find(issuer.url, "key-1") is not None
        with pytest.raises(Unreachable):
            IssuerKeys().find(issuer.url + "/elsewhere", "key-1")
    for url in ("http://issuer.example/keys", "file:///etc/hostname", "ftp://localhost/keys"):
        with pytest.raises(ValueError, match="not https"):
            fetch_url(url)
