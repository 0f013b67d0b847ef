"""The HTTP interface beside direct invocations: the function's time for a statement, and memory for large results.

    python -m benchmarks.http_api [ROUNDS]

Times are those of the handler and of Lambda's own runtime client, which encodes what the handler returns; the kinds of
requests take turns. The first request of a container is measured in processes of their own. Memory is the peak of the
resident set, in a process of its own over a directory, beside that of a result of one row.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from awslambdaric.lambda_runtime_marshaller import to_json

from benchmarks.workload import container, fill, show
from lambda_handlers.caller import OPERATOR
from lambda_handlers.http.messages import HttpRequest
from lambda_handlers.service import Service
from lambda_handlers.store.directory import DirectoryStore
from tests.fakes.stores.memory import memory_store

STATEMENTS = {
    "one row by its key": "SELECT * FROM users WHERE id = 7",
    "1,000 rows": "SELECT * FROM users LIMIT 1000",
    "update of one row": "UPDATE users SET karma = karma + 1 WHERE id = 7",
}
LIMIT_BYTES = 6_000_000
BIG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {}) SELECT i, hex(zeroblob(500)) FROM n"
ROW_BYTES = 1000
SIZES = (0, 10, 50, 100)  # MB


def direct(sql: str) -> dict[str, Any]:
    return {"query": sql}


def query(sql: str) -> dict[str, Any]:
    return _event("/main/query", {"query": sql})


def read(sql: str) -> dict[str, Any]:
    return _event("/main/read", {"query": sql})


def pipeline(sql: str) -> dict[str, Any]:
    return _event("/main/v3/pipeline", {"requests": [{"type": "execute", "stmt": {"sql": sql}}]})


def cursor(sql: str) -> dict[str, Any]:
    return _event("/main/v3/cursor", {"batch": {"steps": [{"stmt": {"sql": sql}}]}})


KINDS = {"direct": direct, "/query": query, "/v3/pipeline": pipeline}
LARGE = {"direct (rows_url)": direct, "/read": read, "/v3/pipeline": pipeline, "/v3/cursor": cursor}


def _event(path: str, body: Any) -> dict[str, Any]:
    """Return an event as API Gateway makes it (payload 2.0)."""
    http = {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x"}
    return {
        "version": "2.0",
        "routeKey": "POST /{proxy+}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "x.execute-api.eu-west-1.amazonaws.com"},
        "pathParameters": {"proxy": path[1:]},
        "requestContext": {"http": http, "stage": "$default", "requestId": "x"},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


# Time


def overhead(rounds: int) -> None:
    service = container(memory_store())
    fill(service, 12_000_000)
    rows = []
    for name, sql in STATEMENTS.items():
        times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(rounds):
            for kind, event_of in KINDS.items():
                times[kind].append(_ms(service, event_of(sql)))
        base = statistics.median(times["direct"])
        for kind, taken in times.items():
            median = statistics.median(taken)
            rows.append(
                (name, kind, f"{median:.2f}", f"{_p95(taken):.2f}", f"{median - base:+.2f}", f"{median / base:.2f}")
            )
    service.close()
    columns = ("statement", "request", "median, ms", "p95, ms", "over direct, ms", "ratio")
    show(f"The function's time, warm, {rounds} rounds", columns, rows)


def _ms(service: Service, event: dict[str, Any]) -> float:
    started = time.perf_counter()
    reply = service.handle(event)
    to_json(reply)
    taken = (time.perf_counter() - started) * 1000
    assert reply["statusCode"] == 200, reply
    return taken


def _p95(taken: Sequence[float]) -> float:
    return statistics.quantiles(taken, n=20)[-1]


def first_request(processes: int = 9) -> None:
    rows = []
    for kind in KINDS:
        taken = [float(_own_process("first", kind)) for _ in range(processes)]
        rows.append((kind, f"{statistics.median(taken):.2f}", f"{min(taken):.2f}"))
    show("The first request of a container, SELECT 1", ("request", "median, ms", "best, ms"), rows)


def _first(kind: str) -> float:
    service = container(memory_store())
    taken = _ms(service, KINDS[kind]("SELECT 1"))
    service.close()
    return taken


# Memory


class DirectoryWithUrls(DirectoryStore):
    """A directory that presigns, as S3 does: responses leave memory as they do there, but for parts under way."""

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:  # noqa: ARG002
        return [f"file:///{key}" for key in keys]


def memory() -> None:
    rows = []
    for name in (*LARGE, "sldb serve, /read", "sldb serve, /v3/pipeline"):
        peaks = [float(_own_process("peak", name, str(megabytes))) for megabytes in SIZES]
        rows.append((name, *(f"{peak - peaks[0]:.0f}" for peak in peaks[1:])))
    columns = ("request", *(f"{megabytes} MB" for megabytes in SIZES[1:]))
    show("Peak of memory over that of a small result, MiB", columns, rows)


def _peak_mib(name: str, megabytes: int) -> float:
    sql = BIG.format(max(megabytes * 1_000_000 // ROW_BYTES, 1))
    with tempfile.TemporaryDirectory() as directory:
        store = DirectoryWithUrls(Path(directory))
        serves = name.startswith("sldb serve")
        with closing(container(store, reply_limit_bytes=None if serves else LIMIT_BYTES)) as service:
            if serves:
                _served(service, name.rpartition(" ")[2], sql)
            else:
                to_json(service.handle(LARGE[name](sql)))
    return _high_water_mark_mib()


def _high_water_mark_mib() -> float:
    """Return the peak of this process alone: what getrusage reports begins with that of the process before it."""
    status = Path("/proc/self/status").read_text("ascii")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def _served(service: Service, path: str, sql: str) -> None:
    event = LARGE[path](sql)
    http = HttpRequest("POST", event["rawPath"], event["headers"], event["body"].encode(), OPERATOR)
    response = service.http.respond(http)
    assert response.status == 200
    if response.file is not None:
        with response.file as file:
            while file.read(1 << 16):
                pass


def _own_process(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.http_api", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["first", kind]:
            print(_first(kind))
        case ["peak", name, megabytes]:
            print(_peak_mib(name, int(megabytes)))
        case given:
            overhead(int(given[0]) if given else 500)
            first_request()
            memory()
