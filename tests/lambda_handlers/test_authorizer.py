"""The authorizer of the kind `token`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers import authorizer
from lambda_handlers.access.callers import KEY, Document, Entry
from lambda_handlers.access.directory import Directory
from lambda_handlers.access.identities import token_identity
from lambda_handlers.access.signing_keys import SigningKeys
from lambda_handlers.access.tokens import key_id_of, make_token, new_id
from lambda_handlers.authorizer import MAX_AGE_SECONDS, Authorizer
from lambda_handlers.aws.secrets_manager import CURRENT, SecretUnreadable
from lambda_handlers.log import Log
from lambda_handlers.settings import BadSetting
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.wire import SldbError
from tests.fakes.aws.moto_server import REGION, serve_aws
from tests.fakes.clock import Clock
from tests.fakes.gateway import authorizer_event
from tests.fakes.stores.faulty import FaultyStore, lose_request
from tests.fakes.stores.memory import memory_store

SECRET, OTHER_SECRET = "s" * 64, "o" * 64
ID = new_id(bytes(16))
TOKEN = make_token(ID, SECRET)
ENTRY = Entry("ada", frozenset({"orders", "main"}), True, 1_700_000_000_000)
ALLOWED = {
    "isAuthorized": True,
    "context": {"sldb_name": "ada", "sldb_databases": "main orders", "sldb_scope": "write"},
}
DENIED = {"isAuthorized": False}


class Site:
    def __init__(self) -> None:
        self.clock = Clock()
        self.store = FaultyStore(memory_store())
        self.secrets: dict[str, str] = {CURRENT: SECRET}
        self.log = StringIO()
        self.authorizer = Authorizer(
            Directory(self.store, self.clock.now, MAX_AGE_SECONDS),
            SigningKeys(self.read_secret, self.clock.now),
            Log("info", self.log, self.clock.now),
            self.clock.now,
        )
        self.document = Document((key_id_of(SECRET),)).with_entry(token_identity(ID), ENTRY)
        self.write()

    def read_secret(self, stage: str) -> str | None:
        if not self.secrets:
            raise SecretUnreadable("AccessDeniedException", "User: arn:aws:…")
        return self.secrets.get(stage)

    def write(self, **changes: Any) -> None:
        """Write the document, with a changed entry."""
        self.document = self.document.with_entry(token_identity(ID), replace(ENTRY, **changes))
        self.store.put(KEY, self.document.encode())

    def ask(self, authorization: str) -> dict[str, Any]:
        return self.authorizer.authorize(authorizer_event(authorization))

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_token_passes_with_the_rights_of_the_document(site: Site) -> None:
    assert site.ask(f"Bearer {TOKEN}") == ALLOWED
    site.write(databases=None, may_write=False)
    site.clock.time += MAX_AGE_SECONDS
    assert site.ask(f"Bearer {TOKEN}")["context"] == {
        "sldb_name": "ada",
        "sldb_databases": "*",
        "sldb_scope": "read",
    }


def test_a_new_token_passes_at_once_whatever_was_asked_just_before(site: Site) -> None:
    new = new_id(bytes(15) + b"1")
    assert site.ask(f"Bearer {make_token(new, SECRET)}") == DENIED
    site.document = site.document.with_entry(token_identity(new), ENTRY)
    site.write()
    assert site.ask(f"Bearer {make_token(new, SECRET)}") == ALLOWED


@pytest.mark.parametrize("header", ["bearer {}", "BEARER {}", "Bearer   {}", " Bearer {} ", "\tBearer {}\t"])
def test_the_scheme_has_any_case_and_blanks(site: Site, header: str) -> None:
    assert site.ask(header.format(TOKEN)) == ALLOWED


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "{}",
        "Bearer{}",
        "Bearer\t{}",
        "Bearer\n{}",
        "Basic {}",
        "Token {}",
        "Bearer {0},Bearer {0}",
        "Bearer {0}, Bearer {0}",
        "Bearer {0} {0}",
        "Bearer {}\x00",
        "Bearer {}\n",
        "Bearer {}=",
        'Bearer "{}"',
        "Bearer {}\u00a0",
        "Bearer sldb_",
    ],
)
def test_other_headers_are_refused(site: Site, header: str) -> None:
    assert site.ask(header.format(TOKEN)) == DENIED
    assert site.lines()[-1]["reason"] == "malformed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"revoked_ms": 0}, "revoked"),
        ({"expires_ms": 1_800_000_000_000}, "expired"),
        ({"expires_ms": 1}, "expired"),
        ({"revoked_ms": 0, "expires_ms": 1}, "revoked"),
    ],
)
def test_an_entry_without_rights(site: Site, changes: dict[str, int], reason: str) -> None:
    site.write(**changes)
    assert site.ask(f"Bearer {TOKEN}") == DENIED
    line = site.lines()[-1]
    assert (line["reason"], line["allowed"], line["caller"], line["token_id"]) == (reason, False, "ada", ID)


def test_a_token_expires_by_the_clock_although_the_copy_is_fresh(site: Site) -> None:
    site.write(expires_ms=int(site.clock.time * 1000) + 1000)
    assert site.ask(f"Bearer {TOKEN}") == ALLOWED
    site.clock.time += 1
    assert site.ask(f"Bearer {TOKEN}") == DENIED


def test_why_other_tokens_are_refused(site: Site) -> None:
    strange = make_token(new_id(b"x" * 16), SECRET)
    forged = make_token(ID, OTHER_SECRET)
    of_other_key = TOKEN[:-1] + ("A" if TOKEN[-1] != "A" else "B")
    for token in (strange, forged, of_other_key):
        assert site.ask(f"Bearer {token}") == DENIED
    lines = site.lines()
    assert [line["reason"] for line in lines] == ["unknown", "unknown_key", "bad_signature"]
    assert [("token_id" in line, "claimed_id" in line) for line in lines] == [
        (True, False),
        (False, True),
        (False, True),
    ]


def test_a_key_that_is_not_accepted_any_more_is_refused_although_it_is_known(site: Site) -> None:
    assert site.ask(f"Bearer {TOKEN}") == ALLOWED
    site.document = site.document.with_key_ids((key_id_of(OTHER_SECRET),))
    site.write()
    site.clock.time += MAX_AGE_SECONDS
    assert site.ask(f"Bearer {TOKEN}") == DENIED
    assert site.lines()[-1]["reason"] == "unknown_key"


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "x",
        {},
        {"identitySource": None},
        {"identitySource": f"Bearer {TOKEN}"},
        {"identitySource": [f"Bearer {TOKEN}"] * 2},
        {"identitySource": [[f"Bearer {TOKEN}"]]},
    ],
)
def test_other_events_are_refused(site: Site, event: object) -> None:
    assert site.authorizer.authorize(event) == DENIED


def test_only_the_source_of_the_cache_counts(site: Site) -> None:
    event = authorizer_event("Bearer x", headers={"authorization": f"Bearer {TOKEN}"})
    assert site.authorizer.authorize({**event, "queryStringParameters": {"authorization": TOKEN}}) == DENIED


@given(st.text())
def test_no_header_raises(text: str) -> None:
    site = Site()
    for header in (text, f"Bearer {text}", f"Bearer sldb_{text}", f"Bearer {TOKEN}{text}x"):
        assert site.ask(header) == DENIED


def test_what_cannot_be_read_lets_nobody_pass_and_is_an_error(site: Site) -> None:
    site.store.plan("get_with_tag", lose_request)
    with pytest.raises(SldbError, match=r"_access/callers\.json"):
        site.ask(f"Bearer {TOKEN}")
    site.store.put(KEY, b"{}")
    with pytest.raises(SldbError, match="version 1"):
        site.ask(f"Bearer {TOKEN}")
    site.write()
    site.secrets = {}
    with pytest.raises(SecretUnreadable):
        site.ask(f"Bearer {TOKEN}")
    assert [(line["level"], line["allowed"]) for line in site.lines()] == [("error", False)] * 3
    assert site.lines()[-1]["aws_said"] == "AccessDeniedException: User: arn:aws:…"


def test_the_log_never_has_a_token_or_a_key(site: Site) -> None:
    tokens = (TOKEN, make_token(ID, OTHER_SECRET), TOKEN[:-2], f"{TOKEN}x")
    for token in tokens:
        site.ask(f"Bearer {token}")
    site.secrets = {}
    text = site.log.getvalue()
    for token in tokens:
        claims, signature = token.removeprefix("sldb_").split(".")
        assert claims not in text
        assert signature[:8] not in text
    assert SECRET not in text


def test_a_thousand_authorizations_cost_few_requests(site: Site) -> None:
    """Ten a second."""
    for _ in range(1000):
        assert site.ask(f"Bearer {TOKEN}") == ALLOWED
        site.clock.time += 0.1
    assert site.store.verbs() == ["put", "get_with_tag", *["info"] * 4]


@contextmanager
def deployed(monkeypatch: pytest.MonkeyPatch, directory: Path) -> Iterator[str]:
    """The environment of the function, with a secret on moto; yields the secret's ARN."""
    with serve_aws() as aws:
        client = boto3.client(
            "secretsmanager", REGION, endpoint_url=aws.url, aws_access_key_id="a", aws_secret_access_key="b"
        )
        arn = client.create_secret(Name="authorizer-keys", SecretString=SECRET)["ARN"]
        for name, value in {
            "SLDB_STORE": f"file://{directory}",
            "SLDB_TOKEN_SECRET": arn,
            "SLDB_STACK": "test-db",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": aws.url,
        }.items():
            monkeypatch.setenv(name, value)
        authorizer._authorizer.cache_clear()
        yield arn
        authorizer._authorizer.cache_clear()


def test_the_handler_with_a_store_and_a_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with deployed(monkeypatch, tmp_path):
        document = Document((key_id_of(SECRET),)).with_entry(token_identity(ID), ENTRY)
        DirectoryStore(tmp_path).create(KEY, document.encode())
        assert authorizer.handler(authorizer_event(f"Bearer {TOKEN}")) == ALLOWED
        assert authorizer.handler(authorizer_event("Bearer x")) == DENIED
        monkeypatch.delenv("SLDB_TOKEN_SECRET")
        with pytest.raises(BadSetting, match="SLDB_TOKEN_SECRET"):
            authorizer.handler(authorizer_event(f"Bearer {TOKEN}"))
