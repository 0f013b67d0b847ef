"""The summary of a reply beside its data: number of rows, duration and version; and numbers with their units."""

from __future__ import annotations

from collections.abc import Mapping

from lambda_handlers.wire import Reply, Result

_UNITS = ("B", "KB", "MB", "GB", "TB")


def outcome(result: Result) -> str:
    """Return "3 rows", "1 row changed" or "done"."""
    if result.columns:
        return count(len(result.rows), "row")
    return f"{count(result.rowcount, 'row')} changed" if result.rowcount else "done"


def outcomes(reply: Reply) -> str:
    """Return all statements of a reply in one phrase, without those that returned and changed nothing."""
    phrases = [outcome(result) for result in reply.results if result.columns or result.rowcount]
    if len(phrases) > 3:
        changed = sum(result.rowcount for result in reply.results if not result.columns)
        rows = sum(len(result.rows) for result in reply.results)
        phrases = [f"{count(len(reply.results), 'statement')}: {count(rows, 'row')}, {changed:,} changed"]
    return " + ".join(phrases) or "done"


def summary(reply: Reply, elapsed_ms: float) -> str:
    """Return a line such as "3 rows · 12 ms · txid 7 · warm · 1 store request"."""
    return f"{outcomes(reply)} · {measures(reply, elapsed_ms)}"


def measures(reply: Reply, elapsed_ms: float) -> str:
    """Return a line such as "12 ms · txid 7 · warm · 1 store request"."""
    parts = [duration(elapsed_ms), f"txid {reply.txid}"]
    stats = reply.stats
    if "cold" in stats:
        parts.append("cold" if stats["cold"] else "warm")
    if stats.get("lock_wait_ms", 0) >= 1000:
        parts.append(f"{duration(stats['lock_wait_ms'])} waiting for the lock")
    if "store_requests" in stats:
        parts.append(count(stats["store_requests"], "store request"))
    return " · ".join(parts)


def details(reply: Reply, elapsed_ms: float) -> str:
    """Return all measures of a request in one line, for --stats."""
    from sldb import price

    stats = reply.stats
    parts = [outcomes(reply), f"txid {reply.txid}", f"round trip {duration(elapsed_ms)}"]
    if "ms" in stats:
        parts.append(f"server {duration(stats['ms'])} {'cold' if stats.get('cold') else 'warm'}")
    if "init_ms" in stats:
        parts.append(f"container started in {duration(stats['init_ms'])}")
    if "after_ms" in stats:
        requests = count(stats.get("after_store_requests", 0), "store request")
        parts.append(f"{duration(stats['after_ms'])} of work after the reply before ({requests})")
    if "store_requests" in stats:
        writes = stats.get("store_writes", 0)
        parts.append(f"{count(stats['store_requests'], 'store request')} ({writes} of them writes or lists)")
        parts.append(f"{size(stats['bytes_in'])} read, {size(stats['bytes_out'])} written")
    if "lock_wait_ms" in stats:
        parts.append(f"lock wait {duration(stats['lock_wait_ms'])}")
    dollars = price.estimate(stats)
    parts.append(f"about {price.per_million(dollars)}" if dollars else "no price: it ran on this machine")
    return " · ".join(parts)


def changed(changes: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return a line such as "users: 2 inserted, 1 deleted" for each table."""
    done = {"insert": "inserted", "update": "updated", "delete": "deleted"}
    return [
        f"{table}: " + ", ".join(f"{rows:,} {done[operation]}" for operation, rows in counts.items() if rows)
        for table, counts in changes.items()
    ]


def duration(milliseconds: float) -> str:
    if milliseconds < 10:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:.1f} s"


def age(seconds: float) -> str:
    """Return a text such as "45 s", "3 min", "2 h" or "5 days"."""
    for unit_seconds, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit_seconds:
            return f"{seconds / unit_seconds:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(amount: float) -> str:
    """Return a text such as "120 B", "4.5 KB" or "1.2 GB"."""
    for unit in _UNITS:
        if amount < 1000 or unit == _UNITS[-1]:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError  # the last unit takes all


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a text such as "1 row", "2 rows" or "3 entries"; `plural`: unless it is the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
