"""Plans of interactive transactions: their requests, from BEGIN to an end, if there is one. Pure, like `plan`.

They are in histories of their own, whose seeds begin with `t`: the others stay what they are. There, a second database
is attached and written by others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

SEEDS = "t"  # their first letter
OTHER = "b1"
SHOWN = "the number that the client was shown last, and one"  # stands for it among params
FIRST = 600  # numbers of operations
SPOTS = (1, 2, 3)  # ids of items that come and go

_TABLE = re.compile(r"(FROM|UPDATE|INTO) (counter|account|item|list)\b")
Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of a transaction."""

    statements: tuple[Statement, ...] = ()
    pause: float = 0.0  # seconds before it
    of: int = 0  # the token that it sends: 0 for the newest, 1 for the one before, …
    end: str | None = None  # "commit" or "rollback"
    on_error: str = "continue"
    lastrowid: bool = False
    copies: tuple[float, ...] = ()  # the same event is delivered again so many seconds later
    kills: bool = False  # the container that served the request before is gone


def _read(chance: Random, number: int) -> Sequence[Statement]:
    return [
        chance.choice(
            (
                ("SELECT id, n FROM counter ORDER BY id", ()),
                ("SELECT sum(balance), min(balance) FROM account", ()),
                ("SELECT count(*), sum(id) FROM item", ()),
                ("SELECT id FROM item WHERE id < 4 ORDER BY id", ()),
                ("SELECT id, members FROM list ORDER BY id", ()),
            )
        )
    ]


def _increment(chance: Random, number: int) -> Sequence[Statement]:
    returning = chance.choice((" RETURNING n", ""))
    return [(f"UPDATE counter SET n = n + 1 WHERE id = ?{returning}", (chance.randint(1, 2),))]


def _look(chance: Random, number: int) -> Sequence[Statement]:
    return [("SELECT n FROM counter WHERE id = ?", (chance.randint(1, 2),))]


def _compute(chance: Random, number: int) -> Sequence[Statement]:
    return [("UPDATE counter SET n = ? WHERE id = ?", (SHOWN, chance.randint(1, 2)))]


def _insert(chance: Random, number: int) -> Sequence[Statement]:
    value = f"value of {number} " * chance.choice((1, 1, 10, 60))
    return [("INSERT INTO item (value) VALUES (?)", (value,))]


def _occupy(chance: Random, number: int) -> Sequence[Statement]:
    verb = chance.choice(("INSERT", "INSERT", "INSERT OR FAIL"))
    return [(f"{verb} INTO item (id, value) VALUES (?, ?)", (chance.choice(SPOTS), f"of {number}"))]


def _free(chance: Random, number: int) -> Sequence[Statement]:
    return [("DELETE FROM item WHERE id = ?", (chance.choice(SPOTS),))]


def _transfer(chance: Random, number: int) -> Sequence[Statement]:
    giver, taker = chance.sample((1, 2, 3), 2)
    amount = chance.randint(10, 45)
    return [
        ("UPDATE account SET balance = balance - ? WHERE id = ?", (amount, giver)),
        ("UPDATE account SET balance = balance + ? WHERE id = ?", (amount, taker)),
    ]


def _chance(chance: Random, number: int) -> Sequence[Statement]:
    return [
        chance.choice(
            (
                ("SELECT random(), hex(randomblob(4)), datetime('now')", ()),
                ("SELECT random()", ()),
                ("INSERT INTO item (id, value) VALUES (?, random())", (number * 1000 + chance.randint(1, 900),)),
                ("UPDATE list SET members = members || abs(random() % 100) || ',' WHERE id = 1", ()),
                ("UPDATE list SET members = members || unixepoch('now') || ',' WHERE id = 2", ()),
            )
        )
        for _ in range(chance.choice((1, 2)))
    ]


def _elsewhere(chance: Random, number: int) -> Sequence[Statement]:
    read = ("SELECT n FROM o.counter WHERE id = 1", ())
    taken = ("UPDATE counter SET n = n + (SELECT n FROM o.counter WHERE id = 1) WHERE id = 2", ())
    return [(f"ATTACH '{OTHER}' AS o", ()), read, chance.choice((read, taken))]


def _itself(chance: Random, number: int) -> Sequence[Statement]:
    return [
        ("ATTACH 'main' AS me", ()),
        ("SELECT n FROM me.counter WHERE id = 1", ()),
        ("UPDATE counter SET n = (SELECT n FROM me.counter WHERE id = 1) + 1 WHERE id = 1", ()),
    ]


def _undone(chance: Random, number: int) -> Sequence[Statement]:
    return [("SAVEPOINT s", ()), *_increment(chance, number), ("ROLLBACK TO s", ()), ("RELEASE s", ())]


def _wrong(chance: Random, number: int) -> Sequence[Statement]:
    return [chance.choice((("SELECT * FROM nowhere", ()), ("INSERT INTO counter VALUES (1, 1)", ())))]


def _declare(chance: Random, number: int) -> Sequence[Statement]:
    return [(f"CREATE TABLE IF NOT EXISTS made_{chance.randint(1, 2)} (id, a DEFAULT (random()))", ())]


def _nothing(chance: Random, number: int) -> Sequence[Statement]:
    return [("UPDATE counter SET n = 0 WHERE id = 99", ())]


_PARTS: dict[Callable[[Random, int], Sequence[Statement]], int] = {
    _read: 4,
    _increment: 5,
    _look: 3,
    _compute: 3,
    _insert: 2,
    _occupy: 4,
    _free: 2,
    _transfer: 2,
    _chance: 4,
    _elsewhere: 3,
    _itself: 2,
    _undone: 1,
    _wrong: 1,
    _declare: 1,
    _nothing: 1,
}
_ATTACHING = (_elsewhere, _itself)  # at most once in a transaction: a name is given once


def turns(chance: Random, number: int) -> tuple[Turn, ...]:
    """Return the requests of one transaction."""
    parts = [part for part, weight in _PARTS.items() for _ in range(weight)]
    pause = chance.choice((0.01, 0.3, 5.0, 5.0, 300.0))
    made: list[Turn] = []
    for place in range(chance.randint(1, 5)):
        statements: list[Statement] = []
        for _ in range(chance.choice((0, 1, 1, 2)) if place == 0 else chance.choice((1, 1, 2))):
            part = chance.choice(parts)
            parts = [one for one in parts if one is not part] if part in _ATTACHING else parts
            statements += map(_in_main, part(chance, number))
        made.append(_turn(chance, tuple(statements), pause, None))
    return (*made, *_ends(chance, number, pause))


def _in_main(statement: Statement) -> Statement:
    """Return the statement with its tables in the own database, even if only an attached one has them."""
    return _TABLE.sub(r"\1 main.\2", statement[0]), statement[1]


def _ends(chance: Random, number: int, pause: float) -> list[Turn]:
    kind = chance.random()
    if kind < 0.08:
        return []
    if kind < 0.16:
        return [_turn(chance, (), pause, "rollback")]
    own = tuple(map(_in_main, _increment(chance, number))) if chance.random() < 0.2 else ()
    ends = [_turn(chance, own, pause, "commit")]
    while chance.random() < 0.4:  # again, with the same token or an earlier one
        own = tuple(map(_in_main, _increment(chance, number))) if chance.random() < 0.2 else ()
        ends.append(_turn(chance, own, pause, "commit", of=chance.choice((0, 0, 0, 1, 2))))
    return ends


def _turn(
    chance: Random, statements: tuple[Statement, ...], pause: float, end: str | None, of: int | None = None
) -> Turn:
    earlier = chance.choice((1, 1, 2)) if chance.random() < 0.06 else 0
    return Turn(
        statements,
        pause=chance.expovariate(1 / pause),
        of=earlier if of is None else of,
        end=end,
        on_error=chance.choice(("continue", "continue", "stop")),
        lastrowid=chance.random() < 0.1,
        copies=(chance.choice((0.0, 0.01, 0.5, 20.0)),) if chance.random() < 0.12 else (),
        kills=chance.random() < 0.12,
    )


def attaches_other(turns_: Sequence[Turn]) -> bool:
    """Return True if one of the requests attaches the other database."""
    return any(query.startswith(f"ATTACH '{OTHER}'") for turn in turns_ for query, _ in turn.statements)
