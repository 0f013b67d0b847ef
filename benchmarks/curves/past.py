"""Requests for the past of a database, and for a maintenance pass, and their rounds, against the number of its commits.

python -m benchmarks.curves.past

Commits come a second apart. The files are a list of names: the requests that find them are counted, and the headers
that are read, but no page of a state. There are two logs: with a snapshot every 500 commits, and the newest 160 in
folds; and of a small database, which gets a snapshot with the pass of each minute, and a fold with each 16th commit, of
which retention leaves a part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

from benchmarks.workload import show
from lambda_handlers.host import Host
from lambda_handlers.storage.freshness import Freshness
from lambda_handlers.storage.log import timeline
from lambda_handlers.storage.log.keys import LtxName, maintenance_key, snapshot
from lambda_handlers.storage.log_lists import LogLists
from lambda_handlers.storage.upkeep import retention
from lambda_handlers.storage.upkeep.pass_listing import list_for_pass
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.store_clock import StoreClock
from lambda_handlers.wire import Action
from tests.fakes.databases.service import container
from tests.fakes.stores.listed import ListedStore
from tests.fakes.stores.rounds import RoundsStore

NOW, DAY = 1_700_000_000, 86_400.0
COUNTS = (1_000, 10_000, 100_000)

LogOf: TypeAlias = Callable[[int], ListedStore]
Operation: TypeAlias = Callable[[ObjectStore, Host, int], object]  # the last argument: commits


def log_of(count: int) -> ListedStore:
    began = NOW - count
    files = {snapshot(txid): began + txid + 0.5 for txid in range(500, count + 1, 500)}
    files |= {LtxName(1, txid - 15, txid): began + txid + 0.5 for txid in range(count - 144, count + 1, 16)}
    return _log(files, count)


def small_log_of(count: int) -> ListedStore:
    began = NOW - count
    files = {snapshot(txid): began + txid + 0.5 for txid in range(60, count + 1, 60)}
    files |= {LtxName(1, txid - 15, txid): began + txid + 0.5 for txid in range(16, count + 1, 16)}
    gone = retention.reasons(files, NOW, 30 * DAY)
    return _log({name: date for name, date in files.items() if name not in gone}, count)


def _log(files: dict[LtxName, float], count: int) -> ListedStore:
    return ListedStore(files, range(1, count + 1), lambda txid: NOW - count + txid, others=[maintenance_key("main")])


def measure(log_of: LogOf, operation: Operation) -> list[str]:
    cells = []
    for count in COUNTS:
        log = log_of(count)
        rounds = rounds_of(log, operation, count)
        asked = " ".join(f"{asked} {verb}" for verb, asked in sorted(log.asked.items(), reverse=True))
        cells.append(f"{asked} in {rounds}")
    return cells


def rounds_of(log: ListedStore, operation: Operation, count: int) -> int:
    """Return the rounds of an operation: requests side by side are one."""
    store = RoundsStore(cast("ObjectStore", log))
    operation(cast("ObjectStore", store), store.host(Host(now=lambda: NOW + 60.0)), count)
    return store.rounds


def history(log: ObjectStore, host: Host, before: int | None) -> object:
    arguments = {"limit": 10} | ({} if before is None else {"before": before})
    return container(log, host=host).act(Action("history", arguments=arguments))


def at_txid(log: ObjectStore, host: Host, txid: int) -> object:
    return LogLists(log, host, StoreClock(), Freshness(), "main").chain(txid)


def at_time(log: ObjectStore, host: Host, count: int, txid: int) -> object:
    moment = round((NOW - count + txid + 0.5) * 1000)
    return timeline.find(log, host, "main", moment)


OPERATIONS: dict[str, Operation] = {
    "`history` of 10": lambda log, host, _count: history(log, host, None),
    "the same, in the middle": lambda log, host, count: history(log, host, count // 2),
    "`--at` the newest txid": at_txid,
    "`--at` a txid in the middle": lambda log, host, count: at_txid(log, host, count // 2 + 77),
    "`--at` a time in the middle": lambda log, host, count: at_time(log, host, count, count // 2 + 77),
    "`--at` a time near the end": lambda log, host, count: at_time(log, host, count, count - 7),
    "a pass": lambda log, host, _count: list_for_pass(log, host, "main", DAY),
}


def main() -> None:
    for what, made in (("a database", log_of), ("a small database, written each second", small_log_of)):
        rows = [(name, *measure(made, operation)) for name, operation in OPERATIONS.items()]
        names = ("requests and rounds for", *(f"{count:,} commits" for count in COUNTS))
        show(f"What the past of {what} costs", names, rows)


if __name__ == "__main__":
    main()
