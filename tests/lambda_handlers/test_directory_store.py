"""What only a directory can do wrong: leftovers, several processes, a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lambda_handlers import directory_store as module
from lambda_handlers.directory_store import DirectoryStore, path_of_url
from lambda_handlers.object_store import AlreadyExists, NotFound, Refused, Unavailable

ROOT = Path(module.__file__).parent.parent

CREATE_FIFTY = """
import sys
import time
from pathlib import Path
from lambda_handlers.directory_store import DirectoryStore
from lambda_handlers.object_store import AlreadyExists

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
from lambda_handlers.directory_store import DirectoryStore
from lambda_handlers.object_store import Refused

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


@pytest.mark.parametrize(
    ("url", "path"), [("file:///a/b", "/a/b"), ("file:///a%20b/%C3%BC", "/a b/ü"), ("file:///100%25", "/100%")]
)
@pytest.mark.skipif(os.name == "nt", reason="the paths of other systems")
def test_the_directory_of_a_url(url: str, path: str) -> None:
    assert path_of_url(url) == Path(path)
