"""What a history is to be: who does what, and when. Pure: the same seed gives the same plan, which is data.

Operations leave open what only the run can know (`at` a txid that exists, `if_txid` of what the client has seen); the
run fills it in. Operations can be left out of a plan, and the others stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.simulation.histories import steps, transactions
from tests.simulation.histories.transactions import Turn

ON_NFS = "n"  # seeds of histories over a directory on NFS
AFTER_REPLY = "a"  # with work that a thread does after the replies
IN_LAMBDA = "e"  # with work that an extension does after the replies
IN_TWO_BUCKETS = "x"  # with level 0 in a directory bucket (docs/express.md)
MOST_SECONDS_APART = 50  # the clocks of the two buckets; removal is refused from a minute on
LOCKS = ("security-group", "s3", "none")
SHARE_WITH_DATABASES = 0.4
FIRST_OF_DATABASES = 500  # numbers of operations on other databases, and with them
SHARE_IN_VAIN = 0.4
SHARE_OF_LAST = 0.6
FIRST_IN_VAIN = 400  # numbers of requests that begin like a write, and may not write
SHARE_WITH_WRONG_CLOCK = 0.25
FIRST_OF_MOMENTS = 800  # numbers of reads of a moment, where a clock was wrong
WRONG_SECONDS = (7200.0, 30 * 86_400.0, 3 * 365 * 86_400.0, -7200.0, -3 * 365 * 86_400.0)
OTHERS = ("b1", "b2")
GAPS = (0.0, 0.0, 1.0, 30.0, 300.0, 1500.0, 2400.0, 4000.0, 9000.0)  # seconds between two bursts


@dataclass(frozen=True, slots=True)
class Operation:
    """`kind`: sql, action or transaction (of requests), sweep, unlock, kill, freeze or spoil (done to the world)."""

    number: int
    at: float  # seconds from the start
    kind: str
    what: str = ""  # for people
    database: str = "main"
    statements: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    action: str = ""
    fields: dict[str, Any] = field(default_factory=dict)  # of the event; of an action, its arguments
    past: tuple[str, float] | None = None  # ("txid", which part of the log) or ("ago", seconds)
    if_seen: bool = False  # write only if nothing came since the client looked
    has_id: bool = False  # a request_id
    by_queue: bool = False  # as a message of SQS
    copies: tuple[float, ...] = ()  # the same event is delivered again so many seconds later
    patience: float = 60.0  # seconds that the client waits for an answer
    retries: int = 0
    function_seconds: float = 60.0
    turns: tuple[Turn, ...] = ()  # the requests of a transaction

    def __str__(self) -> str:
        return f"#{self.number} {self.what or self.kind}"


@dataclass(frozen=True, slots=True)
class WrongClock:
    """The clock of whoever carries out one operation is wrong when it stamps the transaction."""

    operation: int  # its number
    seconds: float  # ahead


@dataclass(frozen=True, slots=True)
class Plan:
    seed: str
    lock: str
    retention_days: float
    cache_bytes: int
    knobs: dict[str, int]
    most_containers: int
    are_patient: bool  # nobody kills a function whose time is up
    operations: tuple[Operation, ...]
    wrong_clock: WrongClock | None = None
    is_on_nfs: bool = False  # the store is a directory, and each container a client of it
    log_ahead_seconds: int | None = None  # the clock of the directory bucket; None: there is none
    works_after_replies: bool = False  # in a thread, while the next request may come
    has_extension: bool = False  # which works before the container takes the next request


def make(seed: str) -> Plan:
    if seed.startswith(ON_NFS):
        return replace(make(seed.removeprefix(ON_NFS)), seed=seed, is_on_nfs=True)
    if seed.startswith(AFTER_REPLY):
        return replace(make(seed.removeprefix(AFTER_REPLY)), seed=seed, works_after_replies=True)
    if seed.startswith(IN_LAMBDA):
        return _in_lambda(Random(f"{seed} last"), replace(make(seed.removeprefix(IN_LAMBDA)), seed=seed))
    if seed.startswith(IN_TWO_BUCKETS):
        ahead = Random(f"{seed} buckets").randint(-MOST_SECONDS_APART, MOST_SECONDS_APART)
        return replace(make(seed.removeprefix(IN_TWO_BUCKETS)), seed=seed, log_ahead_seconds=ahead)
    if seed.startswith(transactions.SEEDS):
        return _with_transactions(Random(f"{seed} transactions"), _make(seed))
    if seed.startswith(steps.SEEDS):
        return _with_steps(Random(f"{seed} steps"), _make(seed))
    return _with_wrong_clock(Random(f"{seed} clock"), _make(seed))


def _make(seed: str) -> Plan:
    chance = Random(seed)
    return Plan(
        seed=seed,
        lock=chance.choice(LOCKS),
        retention_days=chance.choice((0.0, 0.05, 0.2)),
        cache_bytes=chance.choice((400 << 20, 1)),
        knobs=_knobs(chance) | _pages(Random(f"{seed} pages")),
        most_containers=chance.randint(2, 5),
        are_patient=chance.random() < 0.25,
        operations=_with_vain_writes(
            Random(f"{seed} vain"), _with_databases(Random(f"{seed} databases"), tuple(_operations(chance)))
        ),
    )


def _knobs(chance: Random) -> dict[str, int]:
    """Sizes that are made for large databases, small enough for a small one to pass them."""
    knobs = {"DEFAULT_PAGE_SIZE": 512}
    for name, values in {
        "MAP_WORTH_BYTES": (128 << 10, 4 << 10, 1500),
        "WHOLE_CHAIN_BYTES": (2 << 20, 6 << 10, 1),
        "PROBE_BYTES": (1 << 20, 3000),
        "STREAM_BYTES": (16 << 20, 8 << 10),
        "MAX_FOLDED_BYTES": (256 << 10, 8 << 10),
        "UNIT": (16, 4, 3),
        "MAX_FILES_ABOVE_BASE": (4, 1),
        "WORTH_MERGING_BYTES": (64 << 10, 1),
        "GROUP_PAGES": (16, 2),
        "COMPARED_BYTES": (64 << 20, 4 << 10),
        "SMALL_BYTES": (1 << 20, 2 << 10),
        "MAX_FILES": (512, 6),
    }.items():
        knobs[name] = chance.choice(values)
    if (worth := knobs["MAP_WORTH_BYTES"]) < 128 << 10:
        # A file whose map is missing is large from there on, too.
        knobs |= {"UNMAPPED_WHOLE_BYTES": worth, "UNMAPPED_BYTES": worth, "MAPPED_RANGE_BYTES": 1000}
    return knobs


def _pages(chance: Random) -> dict[str, int]:
    """The keys in one answer to a LIST: a log of a few transactions is listed by parts, as one of many."""
    return {"PAGE_KEYS": chance.choice((1000, 12, 6))}


def _operations(chance: Random) -> Iterator[Operation]:
    yield Operation(0, 0.0, "sql", "make tables", statements=TABLES, has_id=True, retries=8, patience=100.0)
    number, time = 1, chance.choice((0.0, 2.0, 2.0))
    kinds = _some_kinds(chance)
    for _ in range(chance.choice((1, 1, 2, 3, 4))):  # bursts
        pause = chance.choice((0.01, 0.1, 1.0))
        for _ in range(chance.randint(3, 11)):
            time += chance.expovariate(1 / pause)
            yield _operation(chance, number, time, chance.choice(kinds))
            number += 1
        gap = chance.choice(GAPS)
        for _ in range(3 if gap > 1000.0 else 0):  # of the minutely ones that there are in between
            yield _operation(chance, number, time + gap * chance.random(), "sweep")
            number += 1
        if gap > 1000.0 and chance.random() < 0.3:
            yield _operation(chance, number, time + gap, "spoil head")
            number += 1
        time += gap


def _with_databases(chance: Random, operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """In some histories there are other databases, which come from the first one, and go."""
    if chance.random() >= SHARE_WITH_DATABASES:
        return operations
    begin, end = operations[0].at + 1.0, operations[-1].at + 30.0
    kinds = [kind for kind, (weight, _) in _KINDS_OF_DATABASES.items() for _ in range(weight)]
    moments = [operation.at for operation in operations]
    added = []
    for number in range(FIRST_OF_DATABASES, FIRST_OF_DATABASES + chance.randint(3, 14)):
        near = chance.choice(moments) + chance.expovariate(1.0)
        time = near if chance.random() < 0.7 else chance.uniform(begin, end)
        added.append(_operation(chance, number, max(begin, time), chance.choice(kinds)))
    return tuple(sorted((*operations, *added), key=lambda operation: operation.at))


def _with_vain_writes(chance: Random, operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """In some histories there are requests that begin like a write and then only read, or meet an error that depends on
    the state; and others' writes that decide it."""
    if chance.random() >= SHARE_IN_VAIN:
        return operations
    kinds = [kind for kind, (weight, _) in _KINDS_IN_VAIN.items() for _ in range(weight)]
    moments = [operation.at for operation in operations]
    added = []
    for number in range(FIRST_IN_VAIN, FIRST_IN_VAIN + chance.randint(4, 14)):
        time = max(4.0, chance.choice(moments)) + chance.expovariate(0.5)
        added.append(_operation(chance, number, time, chance.choice(kinds)))
    return tuple(sorted((*operations, *added), key=lambda operation: operation.at))


def _in_lambda(chance: Random, plan: Plan) -> Plan:
    """Have an extension work after replies, and mark requests as the last ones of their clients: only their locks are
    released after the reply."""
    operations = tuple(
        replace(one, fields={**one.fields, "last": True})
        if one.kind == "sql" and chance.random() < SHARE_OF_LAST
        else one
        for one in plan.operations
    )
    return replace(plan, operations=operations, has_extension=True)


def _with_wrong_clock(chance: Random, plan: Plan) -> Plan:
    """In some histories a clock takes a step by hours or years for one transaction, whose request comes again; and
    moments around it are read."""
    if chance.random() >= SHARE_WITH_WRONG_CLOCK:
        return plan
    writes = [one for one in plan.operations if one.kind == "sql" and one.database == "main" and one.what in STAMPED]
    seconds = chance.choice(WRONG_SECONDS)
    # Of the first transaction nothing tells that its clock is behind: no other is there to compare it with.
    writes = [one for one in writes if one.number] if seconds < 0 else writes
    if not writes:
        return plan
    stepped = chance.choice(writes)
    again = replace(stepped, has_id=True, copies=(chance.choice((1.0, 20.0, 200.0)),))
    operations = [again if one is stepped else one for one in plan.operations]
    for number in range(FIRST_OF_MOMENTS, FIRST_OF_MOMENTS + chance.randint(3, 8)):
        time = stepped.at + chance.choice((0.0, 100.0, 400.0, 2000.0)) + chance.expovariate(0.05)
        operations.append(
            Operation(
                number,
                time,
                "sql",
                "read of a moment",
                statements=chance.choice(READS),
                past=("ago", chance.choice((1.0, 20.0, 100.0, 300.0, 2000.0))),
            )
        )
    wrong = WrongClock(stepped.number, seconds)
    ordered = tuple(sorted(operations, key=lambda operation: operation.at))
    return replace(plan, operations=ordered, wrong_clock=wrong)


def _with_transactions(chance: Random, plan: Plan) -> Plan:
    """Add interactive transactions, and others' writes to what they read."""
    moments = [operation.at for operation in plan.operations]
    added = [replace(plan.operations[0], number=transactions.FIRST, at=1.0, database=transactions.OTHER)]
    numbers = iter(range(transactions.FIRST + 1, transactions.FIRST + 100))
    for _ in range(chance.randint(3, 7)):
        time = max(4.0, chance.choice(moments)) + chance.expovariate(0.3)
        operation = _operation(chance, next(numbers), time, "transaction")
        added.append(replace(operation, has_id=True, by_queue=False, copies=(), fields={}))
        lasts = sum(turn.pause for turn in operation.turns)
        for _ in range(chance.choice((0, 2, 3, 4))):
            kind = chance.choice(_OF_ATTACHED if transactions.attaches_other(operation.turns) else _BESIDE_TRANSACTIONS)
            added.append(_operation(chance, next(numbers), time + lasts * chance.random(), kind))
    ordered = sorted((*plan.operations, *added), key=lambda operation: operation.at)
    return replace(plan, operations=tuple(ordered))


def _with_steps(chance: Random, plan: Plan) -> Plan:
    """Give the writes messages, and add undos and redos. Moments of copies are left out: a file of several transactions
    stands for its last one there."""
    noted = [
        replace(one, fields={**one.fields, "message": steps.message_of(one.number)}) if one.kind == "sql" else one
        for one in plan.operations
        if one.what != "past read elsewhere"
    ]
    moments = [operation.at for operation in plan.operations]
    for number in range(steps.FIRST, steps.FIRST + chance.randint(4, 16)):
        time = max(4.0, chance.choice(moments)) + chance.expovariate(0.5)
        noted.append(_operation(chance, number, time, chance.choice(("undo", "undo", "redo", "restore here"))))
    return replace(plan, operations=tuple(sorted(noted, key=lambda operation: operation.at)))


def _some_kinds(chance: Random) -> list[str]:
    """Each history has another mix."""
    kinds = [kind for kind, (weight, _) in _KINDS.items() for _ in range(weight) if chance.random() < 0.7]
    return [*kinds, "increment", "read", "sweep"]


TABLES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)", ()),
    ("CREATE TABLE IF NOT EXISTS account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0))", ()),
    ("CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, value, size AS (length(value)))", ()),
    ("CREATE TABLE IF NOT EXISTS list (id INTEGER PRIMARY KEY, members TEXT NOT NULL)", ()),
    ("CREATE INDEX IF NOT EXISTS item_by_value ON item (value)", ()),
    ("INSERT OR IGNORE INTO counter VALUES (1, 0), (2, 0)", ()),
    ("INSERT OR IGNORE INTO account VALUES (1, 50), (2, 50), (3, 50)", ()),
    ("INSERT OR IGNORE INTO list VALUES (1, ''), (2, '')", ()),
)


def _operation(chance: Random, number: int, time: float, kind: str) -> Operation:
    _, make_it = _ALL_KINDS[kind]
    given = {"what": kind, **make_it(chance, number)}
    is_request = given.get("kind", "sql") in ("sql", "action")
    if is_request:
        given.setdefault("has_id", chance.random() < 0.6)
        given["retries"] = chance.choice((0, 1, 3))
        given["patience"] = chance.choice((5.0, 30.0, 60.0, 200.0))
        given["function_seconds"] = chance.choice((10.0, 60.0, 60.0, 900.0))
        given["by_queue"] = chance.random() < 0.05
        if chance.random() < 0.12:
            given["copies"] = (chance.choice((0.0, 0.01, 0.5, 20.0, 1500.0)),)
        if chance.random() < 0.2:
            given["fields"] = {**given.get("fields", {}), "timeout": chance.choice((0.3, 3.0, 30.0))}
    return Operation(**{"number": number, "at": time, "kind": "sql", **given})


def _sql(*statements: tuple[str, tuple[Any, ...]], **more: Any) -> dict[str, Any]:
    return {"statements": statements, **more}


def _increment(chance: Random, number: int) -> dict[str, Any]:
    return _sql(("UPDATE counter SET n = n + 1 WHERE id = ? RETURNING n", (chance.randint(1, 2),)))


def _insert(chance: Random, number: int) -> dict[str, Any]:
    value = f"value of {number} " * chance.choice((1, 1, 10, 60))
    return _sql(("INSERT INTO item (id, value) VALUES (?, ?)", (number, value)))


def _transfer(chance: Random, number: int) -> dict[str, Any]:
    giver, taker = chance.sample((1, 2, 3), 2)
    amount = chance.randint(1, 30)
    return _sql(
        ("UPDATE account SET balance = balance - ? WHERE id = ? RETURNING balance", (amount, giver)),
        ("UPDATE account SET balance = balance + ? WHERE id = ? RETURNING balance", (amount, taker)),
    )


def _append(chance: Random, number: int) -> dict[str, Any]:
    return _sql(
        ("UPDATE list SET members = members || ? WHERE id = ? RETURNING members", (f"{number},", chance.randint(1, 2)))
    )


def _ddl(chance: Random, number: int) -> dict[str, Any]:
    name = f"extra_{chance.randint(1, 3)}"
    return _sql(
        *chance.choice(
            (
                ((f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, a)", ()), (f"INSERT INTO {name} VALUES (1, 2)", ())),
                ((f"DROP TABLE IF EXISTS {name}", ()),),
                ((f"ALTER TABLE {name} ADD COLUMN c{number} DEFAULT 7", ()),),
                ((f"CREATE INDEX index_{number} ON item (size)", ()),),
                (
                    (f"CREATE TABLE IF NOT EXISTS {name} AS SELECT id FROM item", ()),
                    (f"SELECT count(*) FROM {name}", ()),
                ),
            )
        )
    )


def _several(chance: Random, number: int) -> dict[str, Any]:
    return _sql(
        ("SELECT sum(balance) FROM account", ()),
        ("INSERT INTO item (id, value) VALUES (?, 'several')", (number,)),
        ("UPDATE counter SET n = n + 1 RETURNING id, n", ()),
        ("SELECT count(*), sum(size) FROM item", ()),
    )


def _large(chance: Random, number: int) -> dict[str, Any]:
    count = chance.choice((40, 120, 120, 400))
    rows = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    return _sql(
        (
            f"{rows} INSERT INTO item (id, value) SELECT ? + i, printf('%d of %d, %0200d', i, ?, i) FROM n",
            (number * 1000, number),
        )
    )


def _delete(chance: Random, number: int) -> dict[str, Any]:
    return _sql(("DELETE FROM item WHERE id % 3 = ?", (chance.randint(0, 2),)))


def _vacuum(chance: Random, number: int) -> dict[str, Any]:
    return _sql(("VACUUM", ()), has_id=False)


def _nothing(chance: Random, number: int) -> dict[str, Any]:
    return _sql(("UPDATE counter SET n = 0 WHERE id = 99", ()))


STAMPED = ("make tables", "increment", "insert", "transfer", "append", "several", "delete", "large")
READS: tuple[tuple[tuple[str, tuple[Any, ...]], ...], ...] = (
    (("SELECT id, n FROM counter ORDER BY id", ()),),
    (("SELECT sum(balance), min(balance) FROM account", ()), ("SELECT id, balance FROM account ORDER BY id", ())),
    (("SELECT id, members FROM list ORDER BY id", ()),),
    (("SELECT count(*), sum(id), sum(size), max(value) FROM item", ()),),
    (("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE '%sldb%' ORDER BY 1, 2", ()),),
    (("PRAGMA integrity_check", ()),),
    (("SELECT id FROM item WHERE value >= 'value of 2' ORDER BY value, id LIMIT 5", ()),),
)


def _read(chance: Random, number: int) -> dict[str, Any]:
    return _sql(*chance.choice(READS), has_id=chance.random() < 0.2)


def _stale_read(chance: Random, number: int) -> dict[str, Any]:
    return {**_read(chance, number), "fields": {"max_staleness": chance.choice((0.5, 5.0, 100.0, 20_000.0))}}


def _past_read(chance: Random, number: int) -> dict[str, Any]:
    past = chance.choice((("txid", chance.random()), ("txid", 1.0), ("ago", chance.choice((1.0, 20.0, 2000.0)))))
    return {**_read(chance, number), "past": past}


def _careful(chance: Random, number: int) -> dict[str, Any]:
    return {**_increment(chance, number), "if_seen": True}


def _dry(chance: Random, number: int) -> dict[str, Any]:
    make_it = chance.choice((_increment, _transfer, _several))
    return {**make_it(chance, number), "fields": {"dry_run": True}}


def _stale_write(chance: Random, number: int) -> dict[str, Any]:
    return {**_increment(chance, number), "fields": {"max_staleness": chance.choice((5.0, 20_000.0))}}


def _tables(chance: Random, number: int) -> dict[str, Any]:
    return _sql(*TABLES)


def _of_world(kind: str, **more: Any) -> Any:
    return lambda chance, number: {"kind": kind, **more}


def _freeze(chance: Random, number: int) -> dict[str, Any]:
    return {"kind": "freeze", "patience": chance.choice((1.0, 60.0, 900.0, 5000.0))}


_KINDS: dict[str, tuple[int, Any]] = {
    "increment": (6, _increment),
    "insert": (4, _insert),
    "transfer": (3, _transfer),
    "append": (3, _append),
    "read": (5, _read),
    "stale read": (2, _stale_read),
    "past read": (2, _past_read),
    "careful increment": (3, _careful),
    "stale write": (2, _stale_write),
    "dry run": (1, _dry),
    "ddl": (2, _ddl),
    "several": (2, _several),
    "large": (1, _large),
    "delete": (1, _delete),
    "vacuum": (1, _vacuum),
    "nothing": (1, _nothing),
    "tables again": (1, _tables),
    "sweep": (3, _of_world("sweep", function_seconds=60.0)),
    "unlock": (3, _of_world("unlock")),
    "kill": (1, _of_world("kill")),
    "freeze": (1, _freeze),
    "spoil head": (1, _of_world("spoil")),
}


def _elsewhere(make_it: Any) -> Any:
    """The same, on another database."""
    return lambda chance, number: {**make_it(chance, number), "database": chance.choice(OTHERS)}


def _branch(chance: Random, number: int) -> dict[str, Any]:
    past = chance.choice((None, None, ("txid", 1.0), ("txid", chance.random())))
    source, target = chance.choice((("main", "b1"), ("main", "b1"), ("main", "b2"), ("b1", "b2")))
    return {"kind": "action", "action": "branch", "database": source, "fields": {"as": target}, "past": past}


def _rename(chance: Random, number: int) -> dict[str, Any]:
    source, target = chance.choice((("b1", "b2"), ("b2", "b1"), ("b1", "b3"), ("main", "b3")))
    return {"kind": "action", "action": "rename_database", "database": source, "fields": {"to": target}}


def _restore(chance: Random, number: int) -> dict[str, Any]:
    past = ("txid", chance.choice((chance.random(), chance.random(), 1.0)))
    database, if_seen = chance.choice(("main", "main", *OTHERS)), chance.random() < 0.5
    return {"kind": "action", "action": "restore", "database": database, "past": past, "if_seen": if_seen}


def _drop(chance: Random, number: int) -> dict[str, Any]:
    database, if_seen = chance.choice(("main", *OTHERS, *OTHERS)), chance.random() < 0.3
    return {"kind": "action", "action": "drop_database", "database": database, "if_seen": if_seen}


_KINDS_OF_DATABASES: dict[str, tuple[int, Any]] = {
    "branch": (6, _branch),
    "rename": (3, _rename),
    "restore": (3, _restore),
    "drop": (2, _drop),
    "increment elsewhere": (4, _elsewhere(_increment)),
    "append elsewhere": (2, _elsewhere(_append)),
    "insert elsewhere": (2, _elsewhere(_insert)),
    "large elsewhere": (1, _elsewhere(_large)),
    "read elsewhere": (4, _elsewhere(_read)),
    "past read elsewhere": (1, _elsewhere(_past_read)),
    "stale read elsewhere": (1, _elsewhere(_stale_read)),
    "tables elsewhere": (1, _elsewhere(_tables)),
    "make tables again": (1, _tables),
}


def _transaction(chance: Random, number: int) -> dict[str, Any]:
    return {"kind": "transaction", "turns": transactions.turns(chance, number)}


def _increment_attached(chance: Random, number: int) -> dict[str, Any]:
    return {**_increment(chance, number), "database": transactions.OTHER}


def _occupy(chance: Random, number: int) -> dict[str, Any]:
    return _sql(("INSERT OR IGNORE INTO item (id, value) VALUES (?, 'here')", (chance.choice(transactions.SPOTS),)))


def _free(chance: Random, number: int) -> dict[str, Any]:
    return _sql(("DELETE FROM item WHERE id = ?", (chance.choice(transactions.SPOTS),)))


def _insert_once(chance: Random, number: int) -> dict[str, Any]:
    spot = chance.choice(transactions.SPOTS)
    return _sql(("INSERT INTO item (id, value) VALUES (?, ?)", (spot, f"once, by {number}")))


def _read_in_group(chance: Random, number: int) -> dict[str, Any]:
    return _sql(("BEGIN", ()), *chance.choice(READS), ("COMMIT", ()))


_KINDS_IN_VAIN: dict[str, tuple[int, Any]] = {
    "insert once": (4, _insert_once),
    "occupy": (2, _occupy),
    "free": (3, _free),
    "read in a group": (3, _read_in_group),
    "increment": (1, _increment),
}
_KINDS_OF_TRANSACTIONS: dict[str, tuple[int, Any]] = {
    "transaction": (0, _transaction),
    "increment attached": (1, _increment_attached),
    "increment": (4, _increment),
    "transfer": (4, _transfer),
    "append": (3, _append),
    "occupy": (3, _occupy),
    "free": (3, _free),
    "kill": (1, _of_world("kill")),
}
_BESIDE_TRANSACTIONS = [kind for kind, (weight, _) in _KINDS_OF_TRANSACTIONS.items() for _ in range(weight)]
_OF_ATTACHED = ["increment attached", "increment attached", "increment"]


def _restore_here(chance: Random, number: int) -> dict[str, Any]:
    fields = {"message": steps.message_of(number)}
    return {**_restore(chance, number), "database": "main", "fields": fields}


_KINDS_OF_STEPS: dict[str, tuple[int, Any]] = {
    "undo": (0, lambda chance, number: steps.move(chance, number, "undo")),
    "redo": (0, lambda chance, number: steps.move(chance, number, "redo")),
    "restore here": (0, _restore_here),
}
_ALL_KINDS = {**_KINDS_IN_VAIN, **_KINDS_OF_STEPS, **_KINDS_OF_TRANSACTIONS, **_KINDS_OF_DATABASES, **_KINDS}
