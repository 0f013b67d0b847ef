from __future__ import annotations

import hashlib
import sys
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from sldb.aws.errors import OperationFailed
from sldb.deploy.bundle import wheels
from sldb.deploy.bundle.pins import Pin
from sldb.deploy.bundle.platform import Platform
from tests.fakes.seen_progress import SeenProgress

PLATFORM = Platform("python3.13", "arm64")
CONTENT = {"apsw": b"apsw's wheel", "lz4": b"lz4's wheel"}
PINS = tuple(Pin(name, "1.0", frozenset([hashlib.sha256(body).hexdigest()])) for name, body in CONTENT.items())


class Index:
    """Stands in for pip and the index behind it: writes the wheels, and counts how often it was asked."""

    def __init__(self, content: dict[str, bytes] | None = None) -> None:
        self.content = CONTENT if content is None else content
        self.asked = 0

    def __call__(self, pins: Sequence[Pin], platform: Platform, directory: Path) -> None:
        self.asked += 1
        for name, body in self.content.items():
            (directory / f"{name}-1.0-cp313-cp313-any.whl").write_bytes(body)


def test_wheels_come_in_the_order_of_the_pins(tmp_path: Path) -> None:
    found = wheels.fetch(PINS, PLATFORM, tmp_path, Index())
    assert [path.name.split("-")[0] for path in found] == ["apsw", "lz4"]


def test_the_second_time_they_come_from_the_cache(tmp_path: Path) -> None:
    index = Index()
    first = wheels.fetch(PINS, PLATFORM, tmp_path, index)
    assert wheels.fetch(PINS, PLATFORM, tmp_path, index) == first
    assert index.asked == 1


@pytest.mark.parametrize("other", [Platform("python3.12", "arm64"), Platform("python3.13", "x86_64")])
def test_each_platform_has_its_own(tmp_path: Path, other: Platform) -> None:
    index = Index()
    wheels.fetch(PINS, PLATFORM, tmp_path, index)
    wheels.fetch(PINS, other, tmp_path, index)
    assert index.asked == 2


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_cache_is_filled_again(tmp_path: Path, damage: str) -> None:
    index = Index()
    victim = wheels.fetch(PINS, PLATFORM, tmp_path, index)[0]
    if damage == "changed":
        victim.write_bytes(b"something else")
    else:
        victim.unlink()
    again = wheels.fetch(PINS, PLATFORM, tmp_path, index)
    assert index.asked == 2
    assert [path.read_bytes() for path in again] == list(CONTENT.values())


def test_what_the_lock_file_does_not_name_is_never_used(tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="not those that the lock file names"):
        wheels.fetch(PINS, PLATFORM, tmp_path, Index({**CONTENT, "lz4": b"somebody else's lz4"}))


def test_a_download_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(pins: Sequence[Pin], platform: Platform, directory: Path) -> None:
        (directory / "half-1.0.whl").write_bytes(b"hal")
        raise OperationFailed("no network")

    with pytest.raises(OperationFailed, match="no network"):
        wheels.fetch(PINS, PLATFORM, tmp_path, fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fails", [False, True])
def test_the_packages_are_counted_while_pip_fetches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    status = "'ERROR: no b'" if fails else "0"
    script = f"import sys; print('Collecting a\\n  File a.whl\\nCollecting b'); sys.exit({status})"
    monkeypatch.setattr(wheels, "pip_command", lambda *_: [sys.executable, "-c", script])
    progress = SeenProgress()
    with pytest.raises(OperationFailed, match="could not fetch .*: ERROR: no b" if fails else "not those that"):
        wheels.fetch(PINS, PLATFORM, tmp_path, progress=progress)
    assert progress.begun == [("fetching the packages of the functions", {"packages": 2})]
    assert progress.amounts == {"packages": 2}


def test_two_deploys_at_once_get_the_same_wheels(tmp_path: Path) -> None:
    together = threading.Barrier(2)

    class SlowIndex(Index):
        def __call__(self, pins: Sequence[Pin], platform: Platform, directory: Path) -> None:
            super().__call__(pins, platform, directory)
            together.wait(timeout=30)  # both have theirs ready before either puts it in place

    index, found = SlowIndex(), list[list[Path]]()
    threads = [
        threading.Thread(target=lambda: found.append(wheels.fetch(PINS, PLATFORM, tmp_path, index))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index.asked == 2
    assert found[0] == found[1]
    assert [path.read_bytes() for path in found[0]] == list(CONTENT.values())
    assert len(list(tmp_path.iterdir())) == 1


def test_pip_is_told_to_trust_hashes_and_wheels_only(tmp_path: Path) -> None:
    command = wheels.pip_command(PLATFORM, tmp_path / "requirements.txt", tmp_path)
    assert {"--require-hashes", "--only-binary=:all:", "--no-deps", "--no-input"} <= set(command)
    assert "--platform=manylinux_2_34_aarch64" in command
    assert not any("index" in argument or "://" in argument for argument in command)


def test_for_this_machine_pip_chooses_the_platform_itself(tmp_path: Path) -> None:
    command = wheels.pip_command(Platform("python3.13", "arm64", host=True), tmp_path / "r.txt", tmp_path)
    assert not any(argument.startswith(("--platform", "--python-version")) for argument in command)


def test_a_pin_that_nobody_offers_is_told_with_what_pip_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(empty), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OperationFailed, match="No matching distribution") as caught:
        wheels.fetch(PINS, PLATFORM, tmp_path / "cache")
    assert caught.value.exit_code == 1


def test_pip_refuses_a_wheel_that_was_tampered_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = tmp_path / "offered"
    offered.mkdir()
    wheel = _wheel(offered / "apsw-1.0-py3-none-any.whl", "VALUE = 1")
    pins = (Pin("apsw", "1.0", frozenset([hashlib.sha256(wheel.read_bytes()).hexdigest()])),)
    _wheel(wheel, "VALUE = 2")
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(offered), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OperationFailed, match="DO NOT MATCH THE HASHES"):
        wheels.fetch(pins, PLATFORM, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def _wheel(path: Path, code: str) -> Path:
    metadata = "apsw-1.0.dist-info/"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("apsw.py", code)
        archive.writestr(metadata + "METADATA", "Metadata-Version: 2.1\nName: apsw\nVersion: 1.0\n")
        archive.writestr(metadata + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(metadata + "RECORD", "")
    return path
