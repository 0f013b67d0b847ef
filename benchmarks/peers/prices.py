"""Dollars per million requests, of us-east-1 and without any free tier: the peers by what they took, others by their
published prices.

A peer is a Lambda function of 1 GB (arm64), or as much as its process needed: its time until the reply and after it,
and its requests to S3, by `sldb.price`. Calls to EC2 are free.

    D1      $0.001 per million rows read, $1.00 per million rows written, $0.75 per GB-month beyond 5 GB
            (https://developers.cloudflare.com/d1/platform/pricing/, November 2026); the Worker in front of it is not
            counted
    DSQL    $8.00 per million DPU, $0.33 per GB-month (https://aws.amazon.com/rds/aurora/dsql/pricing/, November 2026).
            The DPU of a statement follow from processor time and bytes; AWS's only reference is 100,000 DPU for some
            700,000 transactions of TPC-C
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from benchmarks.peers.peers import PEERS
from benchmarks.peers.runs import Part, Result
from sldb import price

READS_AS_GET = ("GET", "HEAD")
MIN_MEMORY_MB = 1024  # the default of a stack
D1_ROW_READ, D1_ROW_WRITTEN = 0.001 / 1e6, 1.00 / 1e6
DSQL_DPU, DSQL_TRANSACTION_DPU = 8.00 / 1e6, 100_000 / 700_000
PRICED = (("point read", 1, 0), ("full scan", None, 0), ("write of a row", 1, 1))  # rows read and written; None: all
POST_BYTES = 1100


def dollars(part: Part) -> float:
    """Return the price of one execution."""
    requests = [(verb, count) for verbs in (part.verbs, part.verbs_after) for verb, count in verbs.items()]
    store = sum(count * _request(verb) for verb, count in requests)
    memory_mb = max(MIN_MEMORY_MB, math.ceil(part.peak_kb / 1024 / 256) * 256)
    return store + price.run(memory_mb, part.ms + part.ms_after, "aarch64")


def _request(verb: str) -> float:
    if verb in ("EC2", "DELETE"):
        return 0.0
    return price.S3_READ if verb in READS_AS_GET else price.S3_WRITE


def d1(rows_read: float, rows_written: float) -> float:
    return rows_read * D1_ROW_READ + rows_written * D1_ROW_WRITTEN


def dsql() -> float:
    """Return the price of a transaction as large as those of TPC-C on average."""
    return DSQL_TRANSACTION_DPU * DSQL_DPU


def rows_of_prices(get: Callable[[str, str, int], Result], sizes: Sequence[int]) -> list[str]:
    """Return the lines of the table: dollars per million warm requests."""
    names = [peer.name for peer in PEERS]
    head = ["operation, size", *names, "D1", "DSQL"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for operation, read, written in PRICED:
        for size in sizes:
            found = [get(name, operation, size).part("warm") for name in names]
            rows = size * 1_000_000 // POST_BYTES if read is None else read
            cells = [_dollars(dollars(part)) if part else "" for part in found]
            # The formula of DSQL for a scan follows the bytes: no figure without an account.
            others = [_dollars(d1(rows, written)), "by its bytes" if read is None else f"about {_dollars(dsql())}"]
            lines.append(f"| {operation}, {size:,} MB | {' | '.join([*cells, *others])} |")
    return lines


def _dollars(each: float) -> str:
    million = each * 1e6
    return f"${million:,.0f}" if million >= 100 else f"${million:,.3f}" if million < 0.1 else f"${million:,.2f}"
