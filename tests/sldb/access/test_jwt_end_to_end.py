"""Callers with JSON Web Tokens on the emulated AWS: `sldb deploy --api jwt`, and an issuer that serves its keys by TLS.

Nothing is replaced: the JWT authorizer fetches the issuer's documents, and trusts its certificate as a client does.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sldb.cli.main import run as run_command
from tests.fakes.aws.emulated import emulated_aws, wheels_of
from tests.fakes.aws.issuer import Issuer, encoded, private_key, served
from tests.fakes.network.certificates import Authority
from tests.fakes.waiting import wait_until
from tests.sldb.access.stack_callers import Caller, Operator

pytestmark = [pytest.mark.network, pytest.mark.long, pytest.mark.timeout(300)]

REVOKED_SECONDS = 120.0  # it is 30, of the clocks of AWS; here the machine may be busy
NAMESPACE = "https://example.com/claims/"
PEM = partial(private_key().public_key().public_bytes, Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DER = partial(private_key().public_key().public_bytes, Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class Stack:
    operator: Operator
    issuer: Issuer
    address: str

    def caller(self, **claims: Any) -> Caller:
        """Return a caller with a token of the issuer."""
        return self.bearer(self.issuer.token(time.time(), **claims))

    def bearer(self, token: str) -> Caller:
        return Caller(self.operator.home, self.address, {"SLDB_TOKEN": token})

    def challenge(self, token: str) -> str:
        """Return why the API refuses a token; fails if it does not."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc)
        try:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            path = urlsplit(self.address).path + "/main/query"
            connection.request("POST", path, json.dumps({"query": "SELECT 1"}), headers)
            response = connection.getresponse()
            assert response.status == 401, response.read()
            return response.headers["www-authenticate"]
        finally:
            connection.close()


@pytest.fixture(scope="module")
def stack(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with served(authority.issue("127.0.0.1")) as issuer, emulated_aws(wheels=wheels_of(pytestconfig)) as aws:
        options = ("--api", "jwt", "--jwt-issuer", issuer.url, "--jwt-audience", "sldb,other-audience")
        assert run_command(["deploy", *options, "--yes"]) == 0
        operator = Operator(tmp_path_factory.mktemp("operator"), aws)
        operator.run("query", "CREATE TABLE t (a)", "--create")
        (made,) = json.loads(operator.run("token", "create", "ada", "--subject", "auth0|ada", "--format", "json"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", str(authority.bundle))  # of the emulator, which is in this process
            stack = Stack(operator, issuer, made["address"])
            wait_until(lambda: stack.caller(sub="auth0|ada").run("query", "SELECT 1").returncode == 0, "the keys")
            yield stack


@pytest.fixture(scope="module", autouse=True)
def gone(stack: Stack) -> Caller:
    """Return a caller that was served and then revoked, before the first test: it takes its time."""
    stack.operator.run("token", "create", "gone", "--subject", "auth0|gone")
    caller = stack.caller(sub="auth0|gone")
    caller.ok("query", "SELECT 1")
    stack.operator.run("token", "revoke", "gone", "--yes")
    return caller


@pytest.mark.parametrize("prefix", ["", "custom:", NAMESPACE])
@pytest.mark.parametrize("databases", ["main", "main other", ["main"], ["other", "main"], "*"], ids=str)
def test_claims_give_databases_and_the_right_to_write(stack: Stack, prefix: str, databases: object) -> None:
    """Also with the prefix of a provider, and as the list of a claim."""
    claims = {f"{prefix}sldb_databases": databases, f"{prefix}sldb_scope": "write"}
    caller = stack.caller(sub="user-1", **claims)
    caller.ok("query", "INSERT INTO t VALUES (1)")
    newest = json.loads(caller.ok("history", "--limit", "1", "--format", "json"))[0]
    assert newest["caller"] == "jwt:user-1"
    if databases != "*":
        assert is_forbidden(caller, "query", "SELECT 1", "--database", "third")


@pytest.mark.parametrize(
    ("claims", "reads"),
    [
        ({"sldb_databases": "main", "sldb_scope": "read"}, True),
        ({"sldb_databases": "main"}, True),
        ({"sldb_scope": "write"}, False),
        ({"sldb_databases": "other", "sldb_scope": "write"}, False),
        ({"sldb_databases": ["*"], "sldb_scope": "write"}, False),
        ({"sldb_databases": "main", "custom:sldb_databases": "*", "sldb_scope": "write"}, False),
        ({"sub": "auth0|stranger"}, False),
        ({"sub": "auth0|ada", "sldb_scope": "write"}, False),  # claims, so that the entry does not count
    ],
    ids=str,
)
def test_what_claims_do_not_give(stack: Stack, claims: dict[str, Any], reads: bool) -> None:
    caller = stack.caller(**claims)
    assert is_forbidden(caller, "query", "INSERT INTO t VALUES (2)")
    assert is_forbidden(caller, "query", "SELECT count(*) FROM t") is not reads


def test_a_subject_has_the_rights_of_its_entry(stack: Stack) -> None:
    stack.operator.run("token", "create", "eve", "--subject", "auth0|eve", "--read-only")
    writes, reads = stack.caller(sub="auth0|ada", scope="openid"), stack.caller(sub="auth0|eve")
    writes.ok("import", "-", "--table", "t", "--input-format", "jsonl", stdin='{"a": 3}\n')
    assert json.loads(writes.ok("history", "--limit", "1", "--format", "json"))[0]["caller"] == "ada"
    reads.ok("query", "SELECT count(*) FROM t")
    assert is_forbidden(reads, "query", "INSERT INTO t VALUES (4)")
    assert is_forbidden(reads, "query", "SELECT 1", "--database", "other")


def is_forbidden(caller: Caller, *words: str) -> bool:
    done = caller.run(*words)
    assert done.returncode == 0 or (done.returncode == 1 and "[forbidden]" in done.stderr), done.stderr
    return done.returncode == 1


def test_one_of_several_audiences_suffices(stack: Stack) -> None:
    stack.caller(sub="auth0|ada", aud=["elsewhere", "other-audience"]).ok("query", "SELECT 1")


RIGHTS = {"sldb_databases": "*", "sldb_scope": "write"}


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": 1}, "the token has expired"),
        ({"exp": None}, "the token has expired"),
        ({"nbf": 1 << 40}, "the token is not valid yet"),
        ({"aud": "another"}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": "another", "client_id": "sldb"}, "audience"),
        ({"iss": "https://127.0.0.1"}, "invalid issuer"),
        ({"iss": None}, "invalid issuer"),
    ],
    ids=str,
)
def test_a_token_for_another_time_or_place(stack: Stack, claims: dict[str, Any], why: str) -> None:
    token = stack.issuer.token(time.time(), **RIGHTS, **claims)
    assert why in stack.challenge(token)
    done = stack.bearer(token).run("query", "SELECT 1")
    assert (done.returncode, token in done.stderr) == (3, False), done.stderr


Sign = Callable[[bytes], bytes]


def hs256(key: bytes) -> Sign:
    return lambda signed: hmac.digest(key, signed, hashlib.sha256)


@pytest.mark.parametrize(
    ("algorithm", "sign", "why"),
    [
        ("none", lambda _: b"", "signing method none is invalid"),
        ("None", lambda _: b"", "signing method None is invalid"),
        ("HS256", hs256(PEM()), "signing method HS256 is invalid"),
        ("HS256", hs256(DER()), "signing method HS256 is invalid"),
        ("HS256", hs256(b""), "signing method HS256 is invalid"),
        ("RS256", hs256(PEM()), "the signature is invalid"),
        ("RS256", lambda _: b"", "the signature is invalid"),
    ],
)
def test_a_token_that_the_issuer_has_not_signed(stack: Stack, algorithm: str, sign: Sign, why: str) -> None:
    assert why in stack.challenge(forged(stack.issuer, algorithm, sign))


def forged(issuer: Issuer, algorithm: str, sign: Sign) -> str:
    """Return a token that names the issuer's key."""
    genuine = issuer.token(time.time(), header={"alg": algorithm}, **RIGHTS)
    signed = genuine.rpartition(".")[0]
    return f"{signed}.{encoded(sign(signed.encode()))}"


def test_a_token_of_another_issuer_with_the_same_key_id(stack: Stack) -> None:
    other = Issuer(stack.issuer.url, {"key-1": private_key(1)})
    assert "the signature is invalid" in stack.challenge(other.token(time.time(), **RIGHTS))
    unknown = Issuer(stack.issuer.url, {"key-9": private_key(1)})
    stack.challenge(unknown.token(time.time(), **RIGHTS))


def test_an_issuer_that_exchanges_its_key(stack: Stack) -> None:
    stack.issuer.keys["key-2"] = private_key(2)
    wait_until(lambda: stack.caller(sub="auth0|ada").run("query", "SELECT 1").returncode == 0, "the new key")
    assert stack.issuer.fetched.count(f"{stack.issuer.url}/keys") >= 2


def test_a_revoked_subject_is_refused(gone: Caller) -> None:
    wait_until(lambda: is_forbidden(gone, "query", "SELECT 1"), "refused", REVOKED_SECONDS)
