"""What only a directory can do wrong: leftovers, several processes, a full disk."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambda_handlers.service import Service
from lambda_handlers.settings import Settings
from lambda_handlers.store import directory as module
from lambda_handlers.store.directory import DirectoryStore, path_of_url
from lambda_handlers.store.protocol import PRIVATE_PREFIX, AlreadyExists, CopyOf, NotFound, Refused, Unavailable
from lambda_handlers.wire import Action, Request, SldbError, Statement
from sldb.client import Client
from sldb.targets.local import LocalTarget
from tests.fakes.databases.service import container, run

ROOT = Path(module.__file__).parent.parent

CREATE_FIFTY = """
import sys
import time
from pathlib import Path
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import AlreadyExists

store, won = DirectoryStore(Path(sys.argv[1])), []
sys.stdin.readline()
for number in range(50):
    try:
        store.create(f"db/0000/{number}", sys.argv[2].encode() * 5000)
        won.append(number)
    except AlreadyExists:
        pass
print(*won)
"""

CREATE_WITH_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import Refused

resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    DirectoryStore(Path(sys.argv[1])).create("db/0000/a", bytes(20_000))
except Refused as error:
    print(error)
"""


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_one_of_four_processes_creates(tmp_path: Path) -> None:
    workers = {name: python(CREATE_FIFTY, tmp_path, name) for name in "abcd"}
    for worker in workers.values():
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    won = {name: [int(number) for number in worker.communicate()[0].split()] for name, worker in workers.items()}

    assert all(worker.returncode == 0 for worker in workers.values())
    assert sorted(number for numbers in won.values() for number in numbers) == list(range(50))
    store = DirectoryStore(tmp_path)
    for name, numbers in won.items():
        for number in numbers:
            assert store.get(f"db/0000/{number}") == name.encode() * 5000


def test_a_create_leaves_only_its_object(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.create("db/0000/a", b"x")
    with pytest.raises(AlreadyExists):
        store.create("db/0000/a", b"y")

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="no resource limits there")
def test_a_full_disk_refuses_and_leaves_nothing(tmp_path: Path) -> None:
    worker = python(CREATE_WITH_LITTLE_ROOM, tmp_path)
    output, _ = worker.communicate()

    assert worker.returncode == 0
    assert output.startswith("db/0000/a: ")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_a_crash_leaves_is_invisible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies between writing its temporary file and giving it its name."""
    store = DirectoryStore(tmp_path)
    store.create("db/0000/before", b"x")

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(module, "_publish", die)
        patched.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed):
            store.create("db/0000/a", b"half")

    assert [path.name for path in (tmp_path / "db" / "0000").iterdir() if path.name != "before"] != []
    assert [info.key for info in store.list_objects("")] == ["db/0000/before"]
    with pytest.raises(NotFound):
        store.get("db/0000/a")
    store.create("db/0000/a", b"whole")
    assert store.get("db/0000/a") == b"whole"


def test_leftovers_go_after_a_day(tmp_path: Path) -> None:
    directory = tmp_path / "db" / "0000"
    directory.mkdir(parents=True)
    old, young, foreign = (directory / name for name in (".a." + "1" * 32, ".a." + "2" * 32, ".foreign"))
    for path in (old, young, foreign):
        path.write_bytes(b"half")
    long_ago = time.time() - module.LEFTOVER_SECONDS - 1
    os.utime(old, (long_ago, long_ago))
    os.utime(foreign, (long_ago, long_ago))
    DirectoryStore(tmp_path).create("db/0000/a", b"x")

    assert {path.name for path in directory.iterdir()} == {"a", young.name, foreign.name}


def test_a_directory_of_leftovers_only_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "db" / "0000").mkdir(parents=True)
    (tmp_path / "db" / "0000" / ".a.123").write_bytes(b"half")

    assert DirectoryStore(tmp_path).list_directories("") == []


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is brought to the disk, in order: "file", or a directory relative to tmp_path; and "publish"."""
    steps: list[str] = []
    really_sync, really_publish = os.fsync, module._publish

    def sync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        steps.append("file" if path.is_file() else path.relative_to(tmp_path).as_posix())
        really_sync(descriptor)

    def publish(temporary: Path, path: Path) -> None:
        steps.append("publish")
        really_publish(temporary, path)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(module, "_publish", publish)
    return steps


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only there a descriptor tells its path")


@needs_proc
def test_an_object_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path, steps: list[str]) -> None:
    """The file before it gets its name, then every directory that got a new name in it."""
    DirectoryStore(tmp_path / "store").create("db/0000/a", b"x")

    assert steps[:3] == ["file", "publish", "store/db/0000"]
    assert sorted(steps[3:]) == [".", "store", "store/db"]


@needs_proc
def test_who_comes_second_relies_on_nobodys_sync(tmp_path: Path, steps: list[str]) -> None:
    """The process that made the directories may have died before their names were on the disk."""
    (tmp_path / "store" / "db" / "0000").mkdir(parents=True)
    store = DirectoryStore(tmp_path / "store")
    store.create("db/0000/a", b"x")
    assert sorted(steps) == [".", "file", "publish", "store", "store/db", "store/db/0000"]
    steps.clear()
    store.create("db/0000/b", b"x")
    assert steps == ["file", "publish", "store/db/0000"]
    steps.clear()
    store.create("db/0001/a", b"x")
    assert steps[:3] == ["file", "publish", "store/db/0001"]
    assert "store/db" in steps[3:]


def test_a_name_that_may_not_be_on_the_disk_is_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails after the object has its name leaves it open whether it stays."""
    store = DirectoryStore(tmp_path)
    store.create("db/0000/a", b"x")

    def fail(_directory: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(module, "_sync_directory", fail)
    with pytest.raises(Unavailable, match="Input/output error"):
        store.create("db/0000/b", b"x")


@dataclass
class Disk:
    """What survives a power failure: the names that were synced after they were given, with all names above them."""

    root: Path
    failing: set[int]  # syncs that fail, by their number
    syncs: int = 0
    given: set[Path] = field(default_factory=set)  # names, also those of directories
    unsynced: set[Path] = field(default_factory=set)  # those of them that their directories may lose

    def sync(self, descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        self.syncs += 1
        if self.syncs in self.failing:
            raise OSError(errno.EIO, "Input/output error")
        if path.is_dir():
            self.unsynced = {name for name in self.unsynced if name.parent != path}

    def publish(self, temporary: Path, path: Path) -> None:
        new = {path, *path.parents} - {self.root, *self.root.parents} - self.given
        self.given |= new
        self.unsynced |= new
        really_publish(temporary, path)

    def has(self, path: Path) -> bool:
        return path.exists() and not self.unsynced.intersection({path, *path.parents})


really_publish = module._publish


@needs_proc
@given(st.sets(st.integers(1, 24), max_size=12))
@settings(max_examples=80, deadline=None)
@example({3}).via("the directory of the first transaction")
@example({6}).via("a directory above it")
@example({3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
def test_what_is_acknowledged_is_on_the_disk_whichever_syncs_fail(failing: set[int]) -> None:
    """The page cache has what a failed sync has lost: reading it back proves nothing."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patched:
        root = Path(directory)
        disk = Disk(root, failing)
        patched.setattr(os, "fsync", disk.sync)
        patched.setattr(module, "_publish", disk.publish)
        service = container(DirectoryStore(root / "made" / "store"))
        for txid in (1, 2):
            path = root / "made" / "store" / "main" / "0000" / f"{txid:016x}-{txid:016x}.ltx"
            try:
                run(service, f"CREATE TABLE t{txid} (a)")
            except SldbError as error:
                assert error.details["applied"] == ("unknown" if path.exists() else "no"), error  # noqa: PT017
                break
            assert disk.has(path), (failing, disk.unsynced)
        service.close()


@needs_proc
@given(st.sets(st.integers(1, 40), max_size=12))
@settings(max_examples=25, deadline=None)
def test_a_branch_that_is_acknowledged_is_on_the_disk_whichever_syncs_fail(failing: set[int]) -> None:
    """All of its files are, in a database whose name is new, and it is the source."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patched:
        root = Path(directory)
        service = container(DirectoryStore(root))
        for txid in (1, 2, 3):
            run(service, f"CREATE TABLE t{txid} (a)")
        disk = Disk(root, failing)
        patched.setattr(os, "fsync", disk.sync)
        patched.setattr(module, "_publish", disk.publish)
        for _ in range(2):
            try:
                service.act(Action("branch", "main", {"as": "copy"}))
            except SldbError as error:
                assert error.code == "store_error"  # noqa: PT017
                continue
            files = sorted((root / "copy").rglob("*.ltx"))
            assert len(files) == 4  # with the mark
            assert all(disk.has(path) for path in files), (failing, disk.unsynced)
            disk.failing = set()  # of what is read now the directories are synced again
            assert run(service, "SELECT count(*) FROM sqlite_schema", database="copy").rows == [(3,)]
            break
        service.close()


def test_a_file_in_the_way_is_not_an_object_that_exists(tmp_path: Path) -> None:
    """`sldb --local` with the name of a file, or a foreign file where a directory belongs."""
    (tmp_path / "file").write_bytes(b"foreign")
    for root, key in ((tmp_path / "file", "db/0000/a"), (tmp_path, "file/a"), (tmp_path, "file/0000/a")):
        with pytest.raises(Refused, match=key):
            DirectoryStore(root).create(key, b"x")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_directory_that_may_not_be_read_is_unavailable(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.create("db/0000/a", b"x")
    (tmp_path / "db").chmod(0)
    try:
        with pytest.raises(Unavailable):
            store.get("db/0000/a")
        with pytest.raises(Unavailable):
            list(store.list_objects("db/"))
    finally:
        (tmp_path / "db").chmod(0o700)


OUTSIDE = ["../secret", "db/../../secret", "/etc/passwd", "db//a", "db/./a", "db/..", "..", ".", "a\0b", "db/a\0"]


@pytest.mark.parametrize("key", OUTSIDE)
def test_a_key_that_leads_out_of_the_root_is_refused(tmp_path: Path, key: str) -> None:
    """Keys come out of databases, too, and those were written by others."""
    (tmp_path / "secret").write_bytes(b"secret")
    store = DirectoryStore(tmp_path / "store")
    store.create("db/a", b"x")
    everywhere = sorted(tmp_path.rglob("*"))
    for ask in _verbs(store, key):
        with pytest.raises(Refused, match="out of the store"):
            ask()
    assert sorted(tmp_path.rglob("*")) == everywhere


def _verbs(store: DirectoryStore, key: str) -> list[Callable[[], object]]:
    return [
        lambda: store.get(key),
        lambda: store.get_with_tag(key),
        lambda: store.get_range(key, 0, 1),
        lambda: store.size(key),
        lambda: list(store.chunks(key)),
        lambda: list(store.list_objects(key + "/")),
        lambda: store.list_directories(key + "/"),
        lambda: store.create(key, b"x"),
        lambda: store.create_from(key, [b"x"]),
        lambda: store.assemble(key, [b"x"]),
        lambda: store.assemble("db/new", [CopyOf(key, 0, 1)]),
        lambda: store.put(key, b"x"),
        lambda: store.replace(key, b"x", "0"),
        lambda: store.delete(key),
        lambda: store.delete_many([key]),
    ]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("what", ["file", "directory", "pipe", "nothing", "itself"])
def test_what_is_no_file_in_a_real_directory_is_no_object(tmp_path: Path, what: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "store" / "db").mkdir(parents=True)
    name = tmp_path / "store" / "db" / "a"
    if what == "pipe":
        os.mkfifo(name)
    else:
        name.symlink_to({"file": "../../secret", "directory": "../..", "nothing": "nowhere", "itself": "a"}[what])
    store = DirectoryStore(tmp_path / "store")
    for key in ("db/a", "db/a/secret") if what == "directory" else ("db/a",):
        for ask in _verbs(store, key):
            with pytest.raises(Refused, match=r"is a link|not a regular file"):
                ask()
    assert list(store.list_objects("")) == []
    assert store.list_directories("") == []
    assert (tmp_path / "secret").read_bytes() == b"secret"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_what_lies_around_in_a_directory_stalls_no_database(tmp_path: Path) -> None:
    """Two links that lead to each other's directories are 2^40 paths; opening a pipe waits for who writes to it."""
    service = Service(Settings(tmp_path.as_uri(), lock="s3", temp_dir=tempfile.gettempdir(), log_level="error"))
    run(service, "CREATE TABLE t (a)")
    loops = tmp_path / "loops"
    loops.mkdir()
    for name in ("one", "two"):
        (loops / name).symlink_to(loops, target_is_directory=True)
    for name in ("pipe", "main/0000/pipe", "main/pipe"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "alias").symlink_to("main", target_is_directory=True)
    (tmp_path / "piped").mkdir()
    os.mkfifo(tmp_path / "piped" / "lock")

    assert run(service, "INSERT INTO t VALUES (1) RETURNING a").rows == [(1,)]
    databases = service.act(Action("databases", "main", {}))["databases"]
    assert [one["name"] for one in databases] == ["main"]
    for name in ("alias", "piped"):
        with pytest.raises(SldbError, match=r"is a link|is not a regular file") as caught:
            run(service, "CREATE TABLE t (a)", database=name)
        assert caught.value.code == "store_error"
    service.close()


@pytest.mark.parametrize(
    ("url", "path"), [("file:///a/b", "/a/b"), ("file:///a%20b/%C3%BC", "/a b/ü"), ("file:///100%25", "/100%")]
)
@pytest.mark.skipif(os.name == "nt", reason="the paths of other systems")
def test_the_directory_of_a_url(url: str, path: str) -> None:
    assert path_of_url(url) == Path(path)


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.get("db/1"),
        lambda store: store.get_range("db/2", 0, 10),
        lambda store: store.size("db/1"),
        lambda store: list(store.list_objects("db/")),
        lambda store: store.list_directories(""),
        lambda store: store.create("db/2", b"x"),
        lambda store: store.put("db/1", b"x"),
        lambda store: store.delete("db/1"),
    ],
)
def test_a_root_that_is_gone_is_not_an_empty_one(tmp_path: Path, ask: Callable[[DirectoryStore], object]) -> None:
    store = DirectoryStore(tmp_path / "root")
    with pytest.raises(NotFound):  # before the first write there need be none
        store.get("db/1")
    store.create("db/1", b"x")
    (tmp_path / "root").rename(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="is gone"):
        ask(store)
    assert not (tmp_path / "root").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "root")  # mounted again
    assert store.get("db/1") == b"x"


def test_a_root_that_another_thread_makes_meanwhile_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a look at the root that finds none and the verdict on it, another thread writes the first object."""
    store, is_dir, looks = DirectoryStore(tmp_path / "root"), Path.is_dir, 0

    def look(path: Path) -> bool:
        nonlocal looks
        looks += path == store.root
        found = is_dir(path)
        if path == store.root and looks == 1:
            store.create("db/other", b"x")
        return found

    monkeypatch.setattr(Path, "is_dir", look)

    store.create("db/1", b"y")

    assert looks > 1
    assert (store.get("db/other"), store.get("db/1")) == (b"x", b"y")


def test_a_warm_copy_does_not_outlive_its_directory(tmp_path: Path) -> None:
    with closing(LocalTarget(tmp_path / "root")) as target:
        client = Client(target)
        client.execute(Request((Statement("CREATE TABLE t (a); INSERT INTO t VALUES (1)"),)))
        (tmp_path / "root").rename(tmp_path / "elsewhere")
        for query in ("SELECT 1", "SELECT a FROM t", "INSERT INTO t VALUES (2)"):
            with pytest.raises(SldbError, match="is gone") as caught:
                client.execute(Request((Statement(query),)))
            assert caught.value.code == "store_error"
        with pytest.raises(SldbError, match="is gone"):
            client.execute(Request((Statement("CREATE TABLE t (a)"),), "another"))
        assert not (tmp_path / "root").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_the_file_of_a_private_object_is_for_its_owner_from_its_first_byte_on(tmp_path, umask):
    secret, modes = PRIVATE_PREFIX + "secret", []

    def chunks():
        (temporary,) = (tmp_path / secret).parent.iterdir()
        modes.append(temporary.stat().st_mode & 0o777)
        yield b"x"

    before = os.umask(umask)
    try:
        store = DirectoryStore(tmp_path)
        store.create_from(secret, chunks())
        store.put(PRIVATE_PREFIX + "put", b"x")
        store.create("main/head.json", b"{}")
    finally:
        os.umask(before)
    modes += [(tmp_path / key).stat().st_mode & 0o777 for key in (secret, PRIVATE_PREFIX + "put", "main/head.json")]
    assert modes == [0o600, 0o600, 0o600, 0o666 & ~umask]
