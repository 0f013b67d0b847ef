"""The HTTP API with tokens: its routes, and the statuses of API Gateway itself."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from live.plan import Failed, Option, Usage
from live.stage import Stage, expect
from sldb import price

LIMIT_BYTES = 10 << 20  # of a request to an HTTP API
TOO_LARGE, THROTTLED = 413, 503  # as the emulator answers


def _send(stage: Stage, path: str, body: bytes, token: str) -> tuple[int, str]:
    """Return the status and the text of a response."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{stage.api_address('token')}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(errors="replace")


def _token(stage: Stage) -> str:
    return str(stage.json("token", "create", "live", "--all-databases")[0]["secret"])


def _use(stage: Stage) -> None:
    stage.query("CREATE TABLE IF NOT EXISTS calls (id INTEGER PRIMARY KEY)")
    token = _token(stage)
    try:
        status, text = _send(stage, "/main/query", json.dumps({"query": "SELECT 41 + 1"}).encode(), token)
        expect(
            (status, json.loads(text)["rows"] if status == 200 else text) == (200, [[42]]), f"a query: {status} {text}"
        )
        status, _ = _send(stage, "/main/query", b'{"query": "SELECT 1"}', f"{token[:-4]}0000")
        expect(status in (401, 403), f"a forged token is refused: {status}")
    finally:
        stage.sldb("token", "revoke", "live", "--yes")


def _routes(stage: Stage) -> str:
    """Compare routes and statuses with docs/http.md."""
    token = _token(stage)
    try:
        got = {
            "SELECT": _send(stage, "/main/query", b'{"query": "SELECT 1"}', token)[0],
            "an error": _send(stage, "/main/query", b'{"query": "SELECT"}', token)[0],
            "a write to /read": _send(stage, "/main/read", b'{"query": "CREATE TABLE x (a)"}', token)[0],
            "pipeline": _send(stage, "/main/v3/pipeline", b'{"requests": []}', token)[0],
        }
    finally:
        stage.sldb("token", "revoke", "live", "--yes")
    want = {"SELECT": 200, "an error": 400, "a write to /read": 403, "pipeline": 200}
    if got != want:
        raise Failed(f"statuses: got {got}, want {want}")
    return f"statuses as documented: {got}"


def _statuses(stage: Stage) -> str:
    """Compare the statuses of API Gateway itself with those of the emulator."""
    token = _token(stage)
    try:
        status, text = _send(stage, "/main/query", b" " * (LIMIT_BYTES + 1024), token)
        throttled = _throttled(stage, token)
    finally:
        stage.sldb("token", "revoke", "live", "--yes")
    if status != TOO_LARGE:
        raise Failed(f"a request of more than 10 MB: got {status} {text[:80]}, the emulator answers {TOO_LARGE}")
    if throttled[0] != THROTTLED:
        raise Failed(f"a function that is throttled: got {throttled}, the emulator answers {THROTTLED}")
    return f"a request of more than 10 MB: {status} {text[:80]}; a function that is throttled: {throttled}"


def _throttled(stage: Stage, token: str) -> tuple[int, str]:
    """Send a request while the function may run not once at a time."""
    function = f"{stage.name}-function"
    stage.account.functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    try:
        return _send(stage, "/main/query", b'{"query": "SELECT 1"}', token)
    finally:
        stage.account.functions.delete_function_concurrency(FunctionName=function)


OPTION = Option(
    "api token",
    "an HTTP API, an authorizer, a secret",
    (
        *("--no-readers", "--no-insights", "--alarms", "none", "--no-dashboard", "--reserved-concurrency", "none"),
        *("--queue", "none", "--provisioned-concurrency", "none"),
        *("--api", "token"),
    ),
    _use,
    {"http": _routes, "api-statuses": _statuses},
    Usage(requests=30, api_requests=30, dollars_a_month=price.SECRET_MONTH),
)
