"""Whatever takes a moment finds the same transaction, also where one step of a clock has put the times out of order, as
Litestream writes them: in headers without a checksum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from lambda_handlers.service import Service
from lambda_handlers.shared.times import utc
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

TIMES = (0, 60, 120, 7200, 240, 300, 360)  # seconds
NOW = 4000  # seconds after the first
MOMENTS = [(-1, 0), (0, 1), (119, 2), (120, 3), (239, 3), (240, 5), (300, 6), (360, 7), (3000, 7), (NOW, 7)]


@pytest.fixture(params=["dated when they were made", "dated when they were copied"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    clock = Clock()
    began, store = clock.time, Timed(memory_store(), clock)
    writer = container(store, host=clock.host())
    for number, seconds in enumerate(TIMES, start=1):
        clock.time = began + (360 if request.param.endswith("copied") else 60 * (number - 1))
        run(writer, "CREATE TABLE t (a)" if number == 1 else "INSERT INTO t VALUES (1)")
        stamp(store, number, began + seconds)
    writer.close()
    clock.time = began + NOW
    service = container(store, host=clock.host(), log_level="warning")
    yield service
    service.close()


def stamp(store: Timed, txid: int, seconds: float) -> None:
    key = transaction(txid).key("main")
    decoder = Decoder([store.get(key)], key)
    pages = list(decoder.pages())
    header = replace(decoder.header, timestamp_ms=round(seconds * 1000), has_checksum=False)
    store.put(key, encode_ltx(header, pages))


def at(seconds: float) -> str:
    return utc(round((Clock().time + seconds) * 1000))


def found(ask: Callable[[], int]) -> int:
    """0 where there is none."""
    try:
        return ask()
    except SldbError as error:
        if error.code != "not_found":
            raise
        return 0


@pytest.mark.parametrize(("seconds", "txid"), MOMENTS)
def test_reads_views_restores_branches_and_pulls_agree(service: Service, seconds: float, txid: int) -> None:
    moment = at(seconds)
    query = f"ATTACH 'main@{moment}' AS past; SELECT count(*) FROM past.t"
    assert found(lambda: run(service, "SELECT 1", at=moment).txid) == txid
    assert found(lambda: run(service, query).rows[0][0] + 1) == txid
    assert found(lambda: act(service, "pull", at=moment)["txid"]) == txid
    assert found(lambda: act(service, "branch", **{"as": "b", "at": moment})["at"]) == txid
    assert found(lambda: act(service, "restore", at=moment)["restored"]) == txid


def test_the_history_shows_the_times_as_they_are(service: Service) -> None:
    told = act(service, "history")["transactions"]
    assert [one["time"] for one in reversed(told)] == [at(seconds) for seconds in TIMES]


def test_a_step_is_logged_once(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        run(service, "SELECT 1", at=at(150))
    assert capsys.readouterr().err.count("times_descend") == 1
