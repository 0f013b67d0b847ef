"""Random requests of limited callers, sent to two stacks: one with another database, and one without. All replies are
the same, so none depends on it; and it stays as it is.

Both have the same clock and the same chance, also that of tokens and of names of objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.actions.registry import ACTIONS
from lambda_handlers.caller import Caller
from lambda_handlers.service import Service
from lambda_handlers.store.protocol import ObjectStore
from tests.fakes.clock import Clock
from tests.fakes.databases.service import container
from tests.fakes.stores.faulty import PresigningStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed
from tests.lambda_handlers.attacks.callers import (
    APP,
    GHOST,
    MINE,
    OTHER,
    PEER,
    READER,
    SECOND,
    beyond,
    prepare,
    prepare_other,
    reveals,
    send,
)

NAMES = st.sampled_from((MINE, MINE, SECOND, OTHER, OTHER, GHOST))
MOMENTS = st.sampled_from(("", "", "@0", "@1", "@2", "@9", "@2027-01-15T08:00:00Z"))
ATTACHED = st.builds("ATTACH '{}{}' AS o".format, NAMES, MOMENTS)
STATEMENTS = st.one_of(
    ATTACHED,
    ATTACHED,
    st.sampled_from(
        (
            "SELECT * FROM t",
            "SELECT * FROM o.theirs",
            "INSERT INTO t SELECT NULL, a FROM o.theirs",
            "INSERT INTO t VALUES (NULL, random())",
            "DELETE FROM t",
            "DETACH o",
            "COMMIT",
            "SELECT name, file FROM pragma_database_list",
            "SELECT id, hex(reply) FROM _sldb_requests",
            "SELECT name FROM sqlite_schema",
            "VACUUM",
        )
    ),
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "at": st.sampled_from((0, 1, 2, "2027-01-15T08:00:00Z")),
        "max_staleness": st.just(1000),
        "read_only": st.booleans(),
        "dry_run": st.booleans(),
        "create": st.booleans(),
        "on_error": st.just("continue"),
        "request_id": st.sampled_from(("of-theirs", "r")),
        "if_txid": st.integers(0, 3),
        "min_txid": st.integers(0, 3),
        "message": st.just("why"),
    },
)
TRANSACTIONS = st.sampled_from((None, None, "begin", "begin", "token", "token", "commit", "rollback"))
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "as": NAMES,
        "to": NAMES,
        "at": st.sampled_from((0, 1, 2, "2027-01-15T08:00:00Z")),
        "all": st.booleans(),
        "request_id": st.sampled_from(("of-theirs", "r", "lambda-1")),
        "caller": st.sampled_from(("app", "peer", "nobody")),
        "attempt": st.just("a"),
        "query": STATEMENTS,
        "foreign_keys": st.booleans(),
        "preview": st.booleans(),
        "if_txid": st.integers(0, 3),
        "limit": st.integers(1, 5),
        "upload": st.just("0" * 16),
        "parts": st.just([f"00001-{'0' * 32}"]),
        "files": st.sampled_from((["0000/1-1.ltx"], [f"../{OTHER}/head.json"])),
    },
)


@dataclass(frozen=True, slots=True)
class Attempt:
    caller: Caller
    event: dict[str, Any]
    transaction: str | None = None

    def sent(self, tokens: dict[str, str]) -> dict[str, Any]:
        """Return the event, with the newest token of the caller's if it has one."""
        token = tokens.get(self.caller.name)
        if self.transaction is None:
            return self.event
        if self.transaction == "begin" or token is None:
            return {**self.event, "transaction": {"begin": True}}
        end = {} if self.transaction == "token" else {"end": self.transaction}
        return {**self.event, "transaction": {"token": token, **end}}


CALLERS = st.sampled_from((APP, APP, PEER, READER))
QUERIES = st.builds(
    lambda database, parts, fields: {"database": database, "query": "; ".join(parts), **fields},
    NAMES,
    st.lists(STATEMENTS, min_size=1, max_size=3),
    FIELDS,
)
# Each action with the arguments that it knows and a few that it does not: what it refuses is an attempt, too.
KNOWN = {
    "branch": ("as", "at"),
    "cancel": ("request_id", "attempt", "caller"),
    "databases": ("all",),
    "describe": ("query",),
    "drop_database": ("if_txid",),
    "history": ("limit",),
    "pull": ("at",),
    "pull_part": ("file", "start", "length"),
    "pull_urls": ("files",),
    "push_begin": ("upload",),
    "push_part": ("upload", "part", "start", "total", "body"),
    "push_urls": ("upload", "parts"),
    "redo": ("preview",),
    "rename_database": ("to",),
    "restore": ("at",),
    "result": ("request_id", "caller"),
    "set_database": ("foreign_keys",),
    "undo": ("preview",),
}


def action(name: str, database: str, arguments: dict[str, Any]) -> dict[str, Any]:
    known = {key: value for key, value in arguments.items() if key in KNOWN.get(name, arguments)}
    return {"action": name, "database": database, "arguments": known}


ATTEMPTS = st.one_of(
    st.builds(Attempt, CALLERS, QUERIES, TRANSACTIONS),
    st.builds(Attempt, CALLERS, st.builds(action, st.sampled_from(sorted(ACTIONS)), NAMES, ARGUMENTS)),
)


@dataclass
class Stack:
    """A stack, and the newest token of each caller."""

    service: Service
    store: ObjectStore
    tokens: dict[str, str] = field(default_factory=dict)

    def attempt(self, one: Attempt) -> dict[str, Any]:
        body = send(self.service, one.sent(self.tokens), one.caller)
        if "token" in body.get("transaction", {}):
            self.tokens[one.caller.name] = body["transaction"]["token"]
        return body


@contextmanager
def stack(*, has_other: bool) -> Iterator[Stack]:
    clock = Clock()
    store = PresigningStore(Timed(memory_store(), clock))
    if has_other:
        other = container(store, host=Clock(seed=7).host())
        prepare_other(other)
        other.close()
    service = container(store, host=clock.host(), reply_limit_bytes=60_000)
    prepare(service)
    yield Stack(service, store)
    service.close()


@settings(max_examples=settings().max_examples // 8)
@given(st.lists(ATTEMPTS, min_size=1, max_size=8))
def test_no_request_depends_on_another_database(attempts: list[Attempt]) -> None:
    with stack(has_other=True) as one, stack(has_other=False) as two:
        before = beyond(one.store)
        for attempt in attempts:
            body = one.attempt(attempt)
            assert body == two.attempt(attempt)
            assert not reveals({name: value for name, value in body.items() if name != "error"})
        assert beyond(one.store) == before
        assert beyond(two.store) == {}
