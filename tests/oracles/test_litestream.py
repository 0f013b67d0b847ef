"""Litestream's own reader and writer (its SQLite extension) as the oracle of the format, both ways, over S3."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import apsw
import boto3
import pytest

from lambda_handlers.log import Log
from lambda_handlers.settings import Settings
from lambda_handlers.storage.log.keys import LtxName, parse_ltx_key, snapshot, transaction
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.pages.page_map_binding import unbind
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store.open import open_store
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases import sqlite_files
from tests.fakes.databases.engine import Engine, compact
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.databases.sqlite_files import Recipe
from tests.fakes.stores.timed import Timed
from tests.fakes.stores.uploads import upload

litestream_vfs = pytest.importorskip("litestream_vfs", reason="no litestream-vfs for this platform")
SHELL = shutil.which("sqlite3")
pytestmark = [pytest.mark.long, pytest.mark.skipif(SHELL is None, reason="no sqlite3 shell here")]

Litestream = Callable[..., list[str]]


@pytest.fixture
def litestream(s3_settings: Settings, tmp_path: Path) -> Litestream:
    """Run statements through Litestream; return their output lines."""
    bucket, _, prefix = s3_settings.store.removeprefix("s3://").partition("/")

    def ask(*statements: str, database: str = "main", may_write: bool = False) -> list[str]:
        environment = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
        environment |= {
            "LITESTREAM_REPLICA_URL": f"s3://{bucket}/{prefix}/{database}"
            f"?endpoint={s3_settings.endpoint_url}&forcePathStyle=true",
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
            "AWS_REGION": "us-east-1",
            "LITESTREAM_LOG_LEVEL": "error",
        }
        if may_write:
            environment |= {
                "LITESTREAM_WRITE_ENABLED": "true",
                "LITESTREAM_BUFFER_PATH": str(tmp_path / "litestream-buffer"),
                "LITESTREAM_SYNC_INTERVAL": "1h",
            }
        script = [f".load {litestream_vfs.loadable_path()}", f".open file:{database}.db?vfs=litestream", *statements]
        assert SHELL
        done = subprocess.run(
            [SHELL, "-batch", "-bail"],
            input="\n".join(script) + "\n",
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return ask


@pytest.fixture
def store(s3_settings: Settings) -> ObjectStore:
    return open_store(s3_settings)


@pytest.fixture
def engine(store: ObjectStore, tmp_path: Path) -> Iterator[Callable[[], Engine]]:
    engines: list[Engine] = []

    def make() -> Engine:
        engines.append(Engine(store, tmp_path, Clock(seed=len(engines)).host()))
        return engines[-1]

    yield make
    for one in engines:
        one.close()


def test_litestream_reads_what_we_wrote(litestream: Litestream, engine: Callable[[], Engine]) -> None:
    one = engine()
    one.write("CREATE TABLE t(n INTEGER PRIMARY KEY, body)")
    for n in range(1, 6):
        one.write(f"INSERT INTO t VALUES ({n}, randomblob({n * 3000}))")
    one.write("CREATE INDEX t_body ON t(body)", "DELETE FROM t WHERE n = 2")
    expected = [f"{n}|{digest}" for n, digest in one.rows("SELECT n, hex(substr(body, 1, 9)) FROM t ORDER BY n")]

    assert litestream("SELECT n, hex(substr(body, 1, 9)) FROM t ORDER BY n;") == expected
    assert litestream("PRAGMA integrity_check;") == ["ok"]


@pytest.mark.parametrize("page_size", [512, 1024, 4096, 65536])
def test_litestream_reads_every_size_of_page(
    litestream: Litestream, engine: Callable[[], Engine], page_size: int
) -> None:
    one = engine()
    one.write("CREATE TABLE t(x)", "INSERT INTO t VALUES (zeroblob(200000)), ('end')", page_size=page_size)
    one.write("INSERT INTO t VALUES ('more')")

    assert litestream("PRAGMA page_size;", "SELECT count(*), sum(length(x)) FROM t;", "PRAGMA integrity_check;") == [
        str(page_size),
        "3|200007",
        "ok",
    ]


def test_litestream_reads_after_a_vacuum(
    litestream: Litestream, engine: Callable[[], Engine], store: ObjectStore, tmp_path: Path
) -> None:
    """Its extension takes the largest page number that it meets for the size (0.5.17: VFSFile.FileSize), so that a file
    that shrank has pages too many for integrity_check, and none for a query, until a snapshot begins the chain."""
    one = engine()
    one.write("CREATE TABLE t(x)", "CREATE TABLE big(x)", "INSERT INTO big VALUES (randomblob(300000))")
    one.write("DROP TABLE big", "INSERT INTO t VALUES ('kept')")
    one.vacuum()
    assert litestream("SELECT x FROM t;") == ["kept"]

    one.write("INSERT INTO t VALUES (zeroblob(50000))")
    assert litestream("SELECT count(*), sum(length(x)) FROM t;") == ["2|50004"]

    compact(store, LtxName(9, 1, one.replica.txid), tmp_path)
    assert litestream("SELECT count(*), sum(length(x)) FROM t;", "PRAGMA integrity_check;") == ["2|50004", "ok"]


def test_litestream_reads_snapshots_and_merged_files(
    litestream: Litestream, engine: Callable[[], Engine], store: ObjectStore, tmp_path: Path
) -> None:
    one = engine()
    one.write("CREATE TABLE t(n)")
    for n in range(2, 21):
        one.write(f"INSERT INTO t VALUES ({n})")
    compact(store, LtxName(9, 1, 8), tmp_path)
    compact(store, LtxName(1, 9, 18), tmp_path)
    for txid in range(1, 19):
        store.delete(transaction(txid).key("main"))

    assert litestream("SELECT count(*), sum(n) FROM t;", "PRAGMA integrity_check;") == ["19|209", "ok"]


def test_we_read_and_continue_what_litestream_wrote(
    litestream: Litestream, engine: Callable[[], Engine], store: ObjectStore
) -> None:
    one = engine()
    one.write("CREATE TABLE t(n INTEGER PRIMARY KEY, body)", "INSERT INTO t VALUES (1, 'ours')")
    before = one.replica.txid

    litestream("INSERT INTO t VALUES (2, 'theirs');", "INSERT INTO t VALUES (3, zeroblob(20000));", may_write=True)

    one.replica.refresh()
    theirs = one.replica.txid
    assert theirs > before
    assert one.rows("SELECT n, length(body) FROM t") == [(1, 4), (2, 6), (3, 20000)]
    assert one.is_sound()
    key = transaction(theirs).key("main")
    assert Header.decode(store.get_range(key, 0, 100), key).node_id == 0  # not ours

    assert one.write("INSERT INTO t VALUES (4, 'ours again')") == theirs + 1
    assert litestream("SELECT n FROM t;", "PRAGMA integrity_check;") == ["1", "2", "3", "4", "ok"]
    cold = engine()
    cold.replica.refresh()
    assert cold.rows("SELECT count(*) FROM t") == [(4,)]
    assert cold.is_sound()


def test_we_open_what_litestream_began(
    litestream: Litestream, engine: Callable[[], Engine], s3_settings: Settings
) -> None:
    litestream("CREATE TABLE t(x);", "INSERT INTO t VALUES ('theirs');", may_write=True)
    one = engine()
    one.write("INSERT INTO t VALUES ('ours')")

    assert one.is_sound()
    assert litestream("SELECT x FROM t;", "PRAGMA integrity_check;") == ["theirs", "ours", "ok"]
    client = boto3.client(
        "s3", "us-east-1", endpoint_url=s3_settings.endpoint_url, aws_access_key_id="k", aws_secret_access_key="s"
    )
    bucket = s3_settings.store.removeprefix("s3://").partition("/")[0]
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]]
    client.close()
    assert [key for key in keys if not key.startswith("stores/one/main/0000/")] == ["stores/one/_probe"]


@pytest.mark.long
def test_what_litestream_wrote_is_verified_whatever_its_size(
    litestream: Litestream, store: ObjectStore, tmp_path: Path
) -> None:
    """It makes no page maps. A file that the cache cannot take is read whole once, and by range after that;
    a flipped bit in it is told, with a map and without."""
    many = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
    litestream(
        "CREATE TABLE t(n INTEGER PRIMARY KEY, body);",
        f"INSERT INTO t {many} SELECT i, hex(randomblob(600)) FROM n;",
        may_write=True,
    )
    (name,) = (
        one for info in store.list_objects("main/") if (one := parse_ltx_key("main", info.key)) and info.size > 1 << 20
    )
    body = store.get(name.key("main"))
    digest = "SELECT count(*), sum(length(body)), hex(max(substr(body, 1, 20))) FROM t"
    expected = litestream(f"{digest};")

    def read(limit_bytes: int = 1 << 18) -> list[str] | str:
        one = Engine(store, tmp_path, Clock().host(), limit_bytes=limit_bytes)
        try:
            one.replica.refresh()
            return ["|".join(map(str, one.rows(digest)[0]))]
        except (SldbError, apsw.Error) as error:
            return "corrupt" if "got" in str(error) else str(error)
        finally:
            one.close()

    assert read() == expected
    assert PageMap.decode(unbind(store.get(name.page_map_key("main")), name, "main")).file_bytes == len(body)
    assert read() == expected
    for bit in Random(1).sample(range(8 * len(body)), 8):
        damaged = bytearray(body)
        damaged[bit // 8] ^= 1 << bit % 8
        store.delete(name.key("main"))
        store.create(name.key("main"), bytes(damaged))
        assert read() in (expected, "corrupt")  # what is read by range need not meet the damage
        page_map = store.get(name.page_map_key("main"))
        store.delete(name.page_map_key("main"))
        assert read() == "corrupt"
        store.create(name.page_map_key("main"), page_map)


def test_litestream_reads_what_maintenance_left(litestream: Litestream, store: ObjectStore, tmp_path: Path) -> None:
    """Days of writes, with the folds, merges and snapshots of real passes, and the files gone that retention takes."""
    clock = Clock()
    timed = Timed(store, clock)
    one = Engine(timed, tmp_path, clock.host())  # type: ignore[arg-type]  # it passes every verb on
    maintenance = Maintenance(timed, clock.host(), Log("error"), retention_days=1)  # type: ignore[arg-type]  # likewise
    one.write("CREATE TABLE t(n INTEGER PRIMARY KEY, body)")
    for day in range(4):
        for n in range(40):
            one.write(f"INSERT INTO t(body) VALUES (randomblob({300 + n}))", f"DELETE FROM t WHERE n % 7 = {day}")
            clock.time += 30
        maintenance.run(clock.time + 900, "main")
        clock.time += 86_400
        maintenance.run(clock.time + 900, "main")
        digest = "SELECT count(*), sum(length(body)), hex(substr(max(body), 1, 9)) FROM t"
        assert litestream(f"{digest};", "PRAGMA integrity_check;") == ["|".join(map(str, one.rows(digest)[0])), "ok"]
    levels = {name.level for info in store.list_objects("main/") if (name := parse_ltx_key("main", info.key))}
    assert 9 in levels
    assert any(key.startswith("main/0000/") for key in timed.deleted)
    assert timed.deleted
    one.close()


def test_a_replica_is_copied_into_a_stack_and_goes_on(
    litestream: Litestream, s3_settings: Settings, tmp_path: Path
) -> None:
    """docs/litestream.md: every object under another name, each created on the condition that there is none."""
    litestream("CREATE TABLE t(x);", "INSERT INTO t VALUES ('theirs');", database="app", may_write=True)
    store = open_store(s3_settings)
    for info in list(store.list_objects("app/")):
        if parse_ltx_key("app", info.key):
            store.create(info.key.replace("app/", "main/", 1), store.get(info.key))
    service = container(store)
    assert run(service, "SELECT x FROM t").rows == [("theirs",)]
    txid = run(service, "SELECT 1").txid
    assert run(service, "INSERT INTO t VALUES ('ours')", request_id="one").txid == txid + 1
    assert run(service, "SELECT count(*) FROM t", at=txid).rows == [(1,)]
    act(service, "restore", at=txid)
    act(service, "branch", **{"as": "copy"})
    assert run(service, "SELECT x FROM t", database="copy").rows == [("theirs",)]
    assert litestream("SELECT x FROM t;") == ["theirs"]
    service.close()


def test_litestream_reads_a_restored_a_dropped_and_a_new_database(
    litestream: Litestream, store: ObjectStore, tmp_path: Path
) -> None:
    service = container(store)
    run(service, "CREATE TABLE t(n); INSERT INTO t VALUES (1), (2)")
    run(service, "DELETE FROM t; CREATE TABLE u(x)")
    act(service, "restore", at=1)
    assert litestream("SELECT sum(n) FROM t;") == ["3"]

    act(service, "drop_database")
    act(service, "create_database")
    run(service, "CREATE TABLE again(x); INSERT INTO again VALUES ('here')")
    assert litestream("SELECT x FROM again;") == ["here"]
    compact(store, LtxName(9, 1, 6), tmp_path)
    assert litestream("SELECT x FROM again;", "PRAGMA integrity_check;") == ["here", "ok"]
    service.close()


def test_litestream_does_not_open_a_dropped_database_until_it_begins_anew(
    litestream: Litestream, store: ObjectStore
) -> None:
    """A transaction of no page is the format's own way to say so. Its extension (0.5.17) reads on in what was before,
    until there is a snapshot of the dropped database, and then finds nothing to open. The drop puts one."""
    service = container(store)
    run(service, "CREATE TABLE t(n); INSERT INTO t VALUES (1), (2)")
    act(service, "drop_database")
    assert store.size(snapshot(2).key("main"))
    with pytest.raises(AssertionError, match="unable to open database"):
        litestream("SELECT count(*) FROM sqlite_schema;")
    run(service, "CREATE TABLE again(x); INSERT INTO again VALUES ('here')")
    assert litestream("SELECT x FROM again;", "PRAGMA integrity_check;") == ["here", "ok"]
    service.close()


def test_litestream_reads_branches(litestream: Litestream, store: ObjectStore, tmp_path: Path) -> None:
    service = container(store)
    run(service, "CREATE TABLE t(n); INSERT INTO t VALUES (1), (2)")
    run(service, "INSERT INTO t VALUES (3)")
    act(service, "branch", **{"as": "young"})
    assert litestream("SELECT sum(n) FROM t;", "PRAGMA integrity_check;", database="young") == ["6", "ok"]
    compact(store, LtxName(9, 1, 2), tmp_path)
    run(service, "INSERT INTO t VALUES (4)")
    act(service, "branch", **{"as": "old"})
    run(service, "INSERT INTO t VALUES (5)", database="old")
    assert litestream("SELECT sum(n) FROM t;", "PRAGMA integrity_check;", database="old") == ["15", "ok"]
    service.close()


@pytest.mark.long
def test_litestream_reads_what_was_pushed(litestream: Litestream, store: ObjectStore, tmp_path: Path) -> None:
    """Its page 1 is a block of literals; the second file has several parts."""
    small, large = tmp_path / "small.db", tmp_path / "large.db"
    sqlite_files.make(small, Recipe(4096, True, "full", 100, 300, 30, True, True, True, False, 5, 1)).close()
    sqlite_files.make(large, Recipe(4096, False, "none", 200, 60_000, 0, False, False, False, False, 0, 2)).close()
    service = container(store)
    act(service, "push_commit", **upload(store, small))
    assert litestream("SELECT count(*) FROM t;", "PRAGMA integrity_check;") == ["70", "ok"]

    ready = upload(store, large)
    assert len(ready["parts"]) > 1
    act(service, "push_commit", **ready)
    run(service, "INSERT INTO t (x) VALUES ('after')")
    assert litestream("SELECT count(*) FROM t;", "SELECT length(body) FROM t WHERE id = 77;") == ["201", "60000"]
    service.close()


def test_litestream_reads_over_an_announcement(litestream: Litestream, engine: Callable[[], Engine]) -> None:
    """A transaction without a page, of which ours make some where there is no lock (storage.announcing)."""
    one = engine()
    one.write("CREATE TABLE t(x)", "INSERT INTO t VALUES ('before')")
    one.replica.announce(30)
    assert litestream("SELECT x FROM t;", "PRAGMA integrity_check;") == ["before", "ok"]
    one.write("INSERT INTO t VALUES ('after')", refresh=False)
    one.replica.announce(0)
    assert litestream("SELECT x FROM t;", "PRAGMA integrity_check;") == ["before", "after", "ok"]
    one.write("INSERT INTO t VALUES ('last')", refresh=False)
    assert litestream("SELECT x FROM t;") == ["before", "after", "last"]


def test_litestream_writes_on_an_announcement(
    litestream: Litestream, engine: Callable[[], Engine], store: ObjectStore
) -> None:
    one = engine()
    one.write("CREATE TABLE t(x)", "INSERT INTO t VALUES ('before')")
    one.replica.announce(30)
    litestream("INSERT INTO t VALUES ('theirs');", may_write=True)
    two = engine()
    two.write("INSERT INTO t VALUES ('ours')")
    assert two.rows("SELECT x FROM t") == [("before",), ("theirs",), ("ours",)]
    assert two.replica.txid == 4
