"""Requests for the past of a database, and for a maintenance pass, against the number of its commits.

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
from lambda_handlers.storage.listing import list_chain
from lambda_handlers.storage.log import timeline
from lambda_handlers.storage.log.keys import LtxName, maintenance_key, snapshot
from lambda_handlers.storage.upkeep import retention
from lambda_handlers.storage.upkeep.pass_listing import list_for_pass
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Action
from tests.fakes.databases.service import container
from tests.fakes.stores.listed import ListedStore

NOW, DAY = 1_700_000_000, 86_400.0
COUNTS = (1_000, 10_000, 100_000)

LogOf: TypeAlias = Callable[[int], ListedStore]
Operation: TypeAlias = Callable[[ObjectStore, int], object]  # the argument: commits


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
        operation(cast("ObjectStore", log), count)
        cells.append(" ".join(f"{asked} {verb}" for verb, asked in sorted(log.asked.items(), reverse=True)))
    return cells


def history(log: ObjectStore, before: int | None) -> object:
    arguments = {"limit": 10} | ({} if before is None else {"before": before})
    return container(log).act(Action("history", arguments=arguments))


def at_time(log: ObjectStore, count: int, txid: int) -> object:
    moment = round((NOW - count + txid + 0.5) * 1000)
    return timeline.find(log, Host(now=lambda: NOW + 60.0), "main", moment)


OPERATIONS: dict[str, Operation] = {
    "`history` of 10": lambda log, _count: history(log, None),
    "the same, in the middle": lambda log, count: history(log, count // 2),
    "`--at` the newest txid": lambda log, count: list_chain(log, "main", count),
    "`--at` a txid in the middle": lambda log, count: list_chain(log, "main", count // 2 + 77),
    "`--at` a time in the middle": lambda log, count: at_time(log, count, count // 2 + 77),
    "`--at` a time near the end": lambda log, count: at_time(log, count, count - 7),
    "a pass": lambda log, _count: list_for_pass(log, Host(), "main", DAY),
}


def main() -> None:
    for what, made in (("a database", log_of), ("a small database, written each second", small_log_of)):
        rows = [(name, *measure(made, operation)) for name, operation in OPERATIONS.items()]
        names = ("requests for", *(f"{count:,} commits" for count in COUNTS))
        show(f"What the past of {what} costs", names, rows)


if __name__ == "__main__":
    main()
