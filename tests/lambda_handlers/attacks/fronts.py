"""A stack behind the fronts of API Gateway: its list of callers, the authorizer and the function, all on one clock."""

from __future__ import annotations

import io
import json
from typing import Any

from lambda_handlers.access.callers import KEY, Document, Entry
from lambda_handlers.access.directory import Directory
from lambda_handlers.access.signing_keys import SigningKeys
from lambda_handlers.access.tokens import key_id_of, make_token, new_id
from lambda_handlers.authorizer import MAX_AGE_SECONDS, Authorizer
from lambda_handlers.log import Log
from lambda_handlers.service import Service
from lambda_handlers.store.metered import MeteredStore
from tests.fakes.clock import Clock
from tests.fakes.databases.service import container
from tests.fakes.gateway import ACCOUNT, Event, TokenFront, http_event, rest_event
from tests.fakes.stores.memory import memory_store
from tests.lambda_handlers.attacks.callers import MINE, OTHER, prepare, prepare_other

SECRET, OTHER_SECRET = "s" * 64, "o" * 64  # signing keys
READ, WRITE, EVERYTHING = (new_id(bytes([number] * 16)) for number in (1, 2, 3))
READER = Entry("reader", frozenset({MINE}), False, 0)
WRITER = Entry("writer", frozenset({MINE}), True, 0)
ALL = Entry("all", None, True, 0)
ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/App/session"
ENTRIES = {
    f"token:{READ}": READER,
    f"token:{WRITE}": WRITER,
    f"token:{EVERYTHING}": ALL,
    "key:k1": WRITER,
    f"iam:arn:aws:iam::{ACCOUNT}:role/App": WRITER,
    "jwt:subject": WRITER,
}
COUNT = {"query": "SELECT count(*) FROM t"}
INSERT = {"query": "INSERT INTO t VALUES (77, 'y')"}
STEAL = {"query": "SELECT * FROM theirs"}


class Stack:
    def __init__(self) -> None:
        self.clock = Clock()
        self.store = memory_store()
        self.asked = MeteredStore(self.store)  # by the authorizer
        self.read_secrets: list[str] = []
        self.log = io.StringIO()
        self.service: Service = container(self.store, host=self.clock.host())
        prepare(self.service)
        prepare_other(self.service)
        self.entries = dict(ENTRIES)
        self.write()
        authorizer = Authorizer(
            Directory(self.asked, self.clock.now, MAX_AGE_SECONDS),
            SigningKeys(self._secret, self.clock.now),
            Log("info", self.log, self.clock.now),
            self.clock.now,
        )
        self.front = TokenFront(authorizer.authorize, self.service.handle, self.clock.now)

    def _secret(self, stage: str) -> str | None:
        self.read_secrets.append(stage)
        return SECRET if stage == "AWSCURRENT" else None

    def write(self, data: bytes | None = None) -> None:
        """Write the list of callers, as an operator does."""
        document = Document((key_id_of(SECRET),), {name: entry.encode() for name, entry in self.entries.items()})
        self.store.put(KEY, document.encode() if data is None else data)

    def send(self, token: str, path: str = f"/{MINE}/query", body: object = COUNT) -> tuple[int, Any]:
        return self.front.request(f"Bearer {token}", path, body)

    def handle(self, event: Event) -> tuple[int, Any]:
        """Return status and body of the function's response to an event."""
        response = self.service.handle(event)
        return response["statusCode"], json.loads(response["body"])

    def events(self, path: str = f"/{MINE}/query", body: object = COUNT) -> dict[str, Event]:
        """Return an event of each front, of a caller that has an entry or claims."""
        claims = {"sldb_name": "writer", "sldb_databases": MINE, "sldb_scope": "write"}
        at = self.clock.time
        return {
            "token": http_event("token", {"lambda": claims}, path, body, at),
            "jwt": http_event("jwt", {"jwt": {"claims": {"sub": "subject"}, "scopes": None}}, path, body, at),
            "iam": http_event("iam", {"iam": {"userArn": ARN, "accountId": ACCOUNT}}, path, body, at),
            "key": rest_event("key", "k1", path, body, at),
        }


def token(token_id: str = READ, secret: str = SECRET, **shown: str) -> str:
    return make_token(token_id, secret, **shown)


def stolen(body: object) -> bool:
    """Return True if a response has anything of the other database."""
    return OTHER in json.dumps(body) or "a-row-of" in json.dumps(body)
