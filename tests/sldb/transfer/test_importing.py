"""Imports: all or nothing, exactly once, whatever stops them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.wire import Action, Reply, Request, SldbError
from sldb.cancelling import TooLate
from sldb.client import Client
from sldb.targets.protocol import Target
from sldb.transfer.formats.tables import ReadOptions
from sldb.transfer.importing import Plan, run
from sldb.transfer.interruption import ImportApplied, ImportInDoubt
from sldb.transfer.loader import Mode
from tests.fakes.targets.killing_target import Killed, KillingTarget
from tests.fakes.targets.limited_target import LimitedTarget
from tests.sldb.transfer.loading import load, rows, write


@pytest.mark.parametrize("batch_rows", [1, 2, 50_000])
def test_a_table_is_made_of_what_is_there(client: Client, people: Path, batch_rows: int) -> None:
    done = load(client, people, batch_rows=batch_rows)
    assert (done.rows, done.changed, done.tables, done.made) == (3, 3, ("people",), ("people",))
    assert rows(client, "SELECT * FROM people") == [(1, "Ada", "01234"), (2, "Grace", None), (3, "", "5")]
    assert rows(client, "SELECT sql FROM sqlite_schema WHERE name = 'people'") == [
        ('CREATE TABLE "people" ("id" INTEGER, "name" TEXT, "zip" TEXT)',)
    ]
    assert done.txid == 1


def count_requests(client: Client, plan: Plan) -> int:
    target = client.target
    assert isinstance(target, LimitedTarget)
    before = target.exchanges
    run(client, plan, io.BytesIO())
    return target.exchanges - before


def databases_of(client: Client) -> list[str]:
    listed = client.act("databases")["databases"]
    return [entry["name"] for entry in listed]


@pytest.mark.long
@pytest.mark.parametrize("is_applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("hours", [0, 3])
def test_killed_at_any_request_and_run_again_each_row_is_there_once(
    client: Client, tmp_path: Path, clock: list[float], is_applied: bool, hours: int
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "".join(f"{i}\n" for i in range(10)))
    plan = Plan((str(path),), batch_rows=3)
    requests = count_requests(Client(client.target, "counted"), plan)
    assert requests > 8
    for at in range(1, requests + 1):
        mine = Client(client.target, f"killed-{at}")
        with pytest.raises(Killed):
            run(replace(mine, target=KillingTarget(client.target, at, is_applied)), plan, io.BytesIO())
        clock[0] += hours * 3600
        if at < requests - 1:
            assert f"killed-{at}" not in databases_of(client)
        done = run(mine, plan, io.BytesIO())
        # Killed after all was done and the staging gone, nothing tells the second run from one that is wanted.
        times = 2 if at == requests and is_applied else 1
        assert rows(mine, "SELECT count(*), sum(a) FROM t") == [(10 * times, 45 * times)], at
        assert done.rows == 10
        assert not [name for name in databases_of(client) if name.startswith("import-")]


@pytest.mark.long
@pytest.mark.parametrize("is_applied", [False, True], ids=["before", "after"])
def test_killed_at_any_request_the_rows_left_out_are_known(client: Client, tmp_path: Path, is_applied: bool) -> None:
    path, out = tmp_path / "t.csv", tmp_path / "out.csv"
    path.write_text("a,b\n" + "".join(f"{i % 7},{i}\n" for i in range(10)) + "8\n")
    plan = Plan((str(path),), mode=Mode(skip=True), batch_rows=8, rejects=str(out))
    made = "CREATE TABLE t (a INTEGER PRIMARY KEY, b CHECK (b <> '3'))"
    counted = Client(client.target, "counted")
    write(counted, made)
    requests = count_requests(counted, plan)
    expected = out.read_text()
    assert expected == "a,b\n3,3\n0,7\n1,8\n2,9\n8\n"
    for at in range(1, requests):
        mine = Client(client.target, f"killed-{at}")
        write(mine, made)
        out.unlink(missing_ok=True)
        with pytest.raises(Killed):
            run(replace(mine, target=KillingTarget(client.target, at, is_applied)), plan, io.BytesIO())
        assert not out.exists()
        done = run(mine, plan, io.BytesIO())
        assert (done.left_out.count, out.read_text()) == (5, expected), at
        assert rows(mine, "SELECT group_concat(b) FROM t") == [("0,1,2,4,5,6",)]


def test_an_import_goes_on_where_it_was(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "".join(f"{i}\n" for i in range(100)))
    plan = Plan((str(path),), batch_rows=10)
    with pytest.raises(Killed):
        run(replace(client, target=KillingTarget(client.target, 6, is_applied=True)), plan, io.BytesIO())
    assert databases_of(client)[0].startswith("import-")
    done = run(client, plan, io.BytesIO())
    assert done.resumed_rows >= 40
    assert rows(client, "SELECT count(*), sum(a) FROM t") == [(100, 4950)]


def test_an_import_of_other_data_begins_anew(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "".join(f"{i}\n" for i in range(100)))
    plan = Plan((str(path),), batch_rows=10)
    with pytest.raises(Killed):
        run(replace(client, target=KillingTarget(client.target, 6, is_applied=True)), plan, io.BytesIO())
    for text in ("a\n" + "7\n" * 90, "a\n7\n7\n"):
        path.write_text(text)
        done = run(client, replace(plan, mode=Mode(replace=True)) if len(text) < 10 else plan, io.BytesIO())
        assert done.resumed_rows == 0
    assert rows(client, "SELECT count(*), sum(a) FROM t") == [(2, 14)]


def test_other_data_on_standard_input_is_told(client: Client) -> None:
    first, other = (b"a\n" + b"%d\n" % i * 20 for i in (1, 2))
    plan = Plan(("-",), ReadOptions(table="t"), batch_rows=4)
    with pytest.raises(Killed):
        run(replace(client, target=KillingTarget(client.target, 5, is_applied=True)), plan, io.BytesIO(first))
    with pytest.raises(SldbError, match="had other data"):
        run(client, plan, io.BytesIO(other))
    run(client, plan, io.BytesIO(other))
    assert rows(client, "SELECT count(*), sum(a) FROM t") == [(20, 40)]


def test_writers_in_between_are_neither_lost_nor_disturbed(client: Client, tmp_path: Path) -> None:
    """Another client writes before each of the import's requests."""
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "".join(f"{i}\n" for i in range(10)))
    write(client, "CREATE TABLE others (i)")

    class Busy(KillingTarget):
        def _pass(self, send: Callable[[], Any]) -> Any:
            self._left -= 1
            if self._left > 0:
                write(client, "INSERT INTO others VALUES (1)")
            return send()

    run(
        replace(client, target=Busy(client.target, 20, is_applied=False)),
        Plan((str(path),), batch_rows=3),
        io.BytesIO(),
    )
    assert rows(client, "SELECT count(*) FROM t") == [(10,)]
    assert rows(client, "SELECT count(*) FROM others") == [(19,)]


def test_a_bad_row_at_the_end_leaves_nothing(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 20 + "1\n")
    with pytest.raises(SldbError, match=r"t.csv:22:2: 1 cells"):
        load(client, path, batch_rows=4)
    assert databases_of(client) == []
    done = load(client, path, batch_rows=4, skip=True)
    assert (done.rows, done.left_out.count) == (20, 1)


@pytest.mark.long
def test_large_rows_stay_below_the_limit_of_a_request(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"i": {i}, "x": "{"é" * (i * 40_000)}"}}\n' for i in range(40)))
    load(client, path)
    assert rows(client, "SELECT sum(length(x)), count(*) FROM t") == [(40_000 * 780, 40)]


@pytest.mark.long
def test_many_narrow_rows_stay_below_the_limit_too(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",".join(f"c{i}" for i in range(200)) + "\n" + ("1," * 199 + "\n") * 4000)
    load(client, path)
    assert rows(client, "SELECT count(*), sum(c7), sum(c199) FROM t") == [(4000, 4000, None)]


@dataclass
class StoppingTarget:
    """A target on whose request Ctrl-C is pressed: it is stopped in time, or it is over, or nothing is known."""

    inner: Target
    at: int  # request, counted from 1
    end: str  # cancelled, over, unknown
    name: str = "stopping"
    stopped: Request | None = None
    sent: int = 0

    def send(self, request: Request) -> Reply:
        self.sent += 1
        if self.sent != self.at:
            return self.inner.send(request)
        self.stopped = request
        if self.end == "cancelled":
            raise SldbError("cancelled", "the request was cancelled", applied="no")
        reply = self.inner.send(request)
        raise TooLate(reply) if self.end == "over" else KeyboardInterrupt

    def act(self, action: Action) -> dict[str, Any]:
        return self.inner.act(action)

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        return self.inner.result(database, request_id)

    def close(self) -> None: ...


@pytest.mark.long
@pytest.mark.parametrize("end", ["cancelled", "over", "unknown"])
@pytest.mark.parametrize("batch_rows", [3, 50_000], ids=["staged", "at once"])
def test_stopped_at_any_request_and_run_again_each_row_is_there_once(
    client: Client, tmp_path: Path, end: str, batch_rows: int
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "".join(f"{i}\n" for i in range(10)))
    plan = Plan((str(path),), batch_rows=batch_rows)
    for at in range(1, 30):
        mine = Client(client.target, f"stopped-{at}")
        target = StoppingTarget(client.target, at, end)
        stop = _stop_of(lambda: run(replace(mine, target=target), plan, io.BytesIO()))  # noqa: B023 - called at once
        match stop:
            case ImportApplied():
                assert "10 rows changed" in str(stop)
            case ImportInDoubt(request_id=request_id):
                assert target.stopped is not None
                assert request_id == target.stopped.request_id
                assert batch_rows != 3 or run(mine, plan, io.BytesIO()).was_done
            case SldbError() | KeyboardInterrupt():
                assert not isinstance(stop, TooLate)
                assert f"stopped-{at}" not in databases_of(client)
                run(mine, plan, io.BytesIO())
        assert rows(mine, "SELECT count(*), sum(a) FROM t") == [(10, 45)], at
        assert not [name for name in databases_of(client) if name.startswith("import-")]
        if target.sent < at:
            break
    assert at > 2


def _stop_of(action: Callable[[], object]) -> BaseException | None:
    try:
        action()
    except (SldbError, KeyboardInterrupt) as stop:
        return stop
    return None
