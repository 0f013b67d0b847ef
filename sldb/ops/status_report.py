"""The status as tables: by rich on a terminal, as plain columns anywhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from lambda_handlers.shared import times
from sldb.actions import databases as listing
from sldb.deploy.tags import as_text
from sldb.ops.alarms import ALARM, NO_DATA
from sldb.render.text import escape
from sldb.report import age, count
from sldb.stack.state import FILE_LOCKS

if TYPE_CHECKING:
    from sldb.ops.alarms import AlarmInfo
    from sldb.ops.apis import ApiInfo
    from sldb.ops.status import FunctionInfo, Status


def show_status(status: Status, out: TextIO, now: float) -> None:
    """Write the status as tables. `now`: unix seconds."""
    facts = [
        ("stack", f"{status.stack} ({status.stack_status})"),
        ("where", f"{status.region}, account {status.account}"),
        ("data", _data(status)),
        ("code", status.bundle[:12]),
        ("lock", _lock(status)),
        *(
            [("deleted", f"can be recovered for {count(status.recoverable_days, 'day')}")]
            if status.recoverable_days
            else []
        ),
        *([("boundary", status.permissions_boundary)] if status.permissions_boundary else []),
        *([("tags", as_text(status.tags))] if status.tags else []),
        *([("options", " ".join(status.options))] if status.options else []),
    ]
    if status.health.next:
        facts += [("state", status.health.says), ("next", status.health.next)]
    if status.moving_to:
        facts.append(("move", "; ".join(move(status))))
    facts += _api_facts(status)
    if queue := _queue(status):
        facts.append(("queue", queue))
    if status.alarms != ():
        facts.append(("alarms", _alarms(status.alarms, now)))
    if status.dashboard:
        facts.append(("dashboard", status.dashboard))
    write_table(out, "", ("", ""), facts)
    if status.apis:
        rows = [(api.kind, api.address, _limits(api)) for api in status.apis]
        write_table(out, "", ("api", "address", "requests"), rows)
    functions = [_function(function, now) for function in status.functions]
    header = ("function", "runtime", "memory", "timeout", "modified")
    write_table(out, "functions: none", header, functions)
    locks = [(lock.database, lock.owner, duration(lock.age_seconds(now)), lock.doing or "-") for lock in status.locks]
    nothing = "locks: those of files are not listed" if status.lock_kind == FILE_LOCKS else "locks: none is taken"
    write_table(out, nothing, ("locked database", "owner", "age", "doing"), locks)
    if not status.bucket_is_gone:
        show_databases(status.databases, out)


def _function(function: FunctionInfo, now: float) -> tuple[str, ...]:
    """Return one row; without the state of an active function, to fit into 80 columns."""
    name = function.name if function.state == "Active" else f"{function.name} ({function.state})"
    modified = times.read(function.last_modified)
    changed = f"{age(max(0.0, now - modified.start_ms / 1000))} ago" if modified else ""
    memory, timeout = f"{function.memory_mb} MB", f"{function.timeout_seconds} s"
    return name, f"{function.runtime} {function.architecture}", memory, timeout, changed


def _queue(status: Status) -> str:
    """Return the kind of the queue and what is in it; empty if there is nothing to show."""
    has_queue = status.queue_kind != "none"
    if status.queues is None:
        return "cannot be read: sldb doctor" if has_queue else ""
    shown = [status.queue_kind] if has_queue else []
    for each in status.queues:
        if each.is_gone:
            shown.append(f"the queue of {each.role} is gone: sldb deploy")
        elif each.role == "queue":
            shown.append(f"{each.waiting:,} waiting, {each.in_flight:,} in flight")
        elif each.total:
            shown.append(count(each.total, each.noun))
    return ", ".join(shown)


def _alarms(alarms: Sequence[AlarmInfo] | None, now: float) -> str:
    """Return the raised alarms, or how many there are."""
    if alarms is None:
        return "cannot be read: sldb doctor"
    raised = [f"{each.name}{_since(each, now)}" for each in alarms if each.state == ALARM]
    unknown = [each.name for each in alarms if each.state == NO_DATA]
    if raised:
        return f"RAISED: {', '.join(raised)}"
    if len(unknown) == len(alarms) > 1:
        return f"{len(alarms)}, none of them has data yet"
    return f"{len(alarms)}, none is raised" + (f"; without data: {', '.join(unknown)}" if unknown else "")


def _since(alarm: AlarmInfo, now: float) -> str:
    since = times.read(alarm.since)
    return f" (for {duration(max(0.0, now - since.start_ms / 1000))})" if since else ""


def _api_facts(status: Status) -> list[tuple[str, str]]:
    domains = {api.domain: api.domain_target for api in status.apis if api.domain}
    facts = [("domain", f"{name} (its DNS: {target})") for name, target in domains.items()]
    if status.apis and not status.bucket_is_gone:
        callers = "cannot be read, and are refused: sldb doctor" if status.callers is None else str(status.callers)
        facts.append(("callers", callers))
    return facts


def _limits(api: ApiInfo) -> str:
    limits = f"{api.rate} a second"
    if api.key_rate is not None:
        limits += f", {api.key_rate} of each key"
    return f"{limits}, {api.key_quota}" if api.key_quota else limits


def _lock(status: Status) -> str:
    if status.lock_kind in ("", "none"):
        return "none"
    if status.lock_kind == FILE_LOCKS:
        return f"{FILE_LOCKS}, freed by the file system once the writer is gone"
    return f"{status.lock_kind}, freed after {status.lock_max_age_seconds} s"


def move(status: Status) -> tuple[str, str]:
    """Return how far a move of the databases is, and the ways on from there."""
    writes = "writes are refused" if status.refuses_writes else "copying"
    command = f"sldb migrate-storage {status.moving_to}"
    return f"to {status.moving_to}, {writes}", f"`{command}` goes on if it was interrupted, with --abort it ends"


def _data(status: Status) -> str:
    if status.bucket_is_gone:
        return f"s3://{status.bucket} is gone, and with it every database that was in it"
    return status.place or "none"


def show_databases(databases: Sequence[Mapping[str, Any]], out: TextIO) -> None:
    """Write a table of the databases, as in the reply to the action `databases`."""
    rows = [["" if cell is None else str(cell) for cell in listing.cells(each)] for each in databases]
    write_table(out, "databases: none yet", listing.COLUMNS, rows)


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"


def write_table(out: TextIO, nothing: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table; the text `nothing` if it has no rows."""
    safe = [[escape(cell) for cell in row] for row in rows]  # a lock has the name of a table in it
    if not safe:
        out.write(nothing + "\n")
    elif out.isatty():
        _rich_table(out, header, safe)
    else:
        _plain_table(out, header, safe)


def _rich_table(out: TextIO, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    titled = any(header)
    table = Table(
        box=SIMPLE_HEAD if titled else None,
        show_header=titled,
        header_style="bold",
        pad_edge=False,
        collapse_padding=True,
    )
    for name in header:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(file=out, markup=False, highlight=False).print(table)


def _plain_table(out: TextIO, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [header, *rows] if any(header) else rows
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        out.write("  ".join(padded).rstrip() + "\n")
    out.write("\n")
