from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sldb.aws.errors import OperationFailed
from sldb.deploy.bundle.archive import Bundle, assemble, build
from sldb.deploy.bundle.bytecode import interpreter_of
from sldb.deploy.bundle.platform import Platform

HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"
ELSEWHERE = Platform("python3.14" if HERE != "python3.14" else "python3.13", "arm64")


def make_wheel(path: Path, files: dict[str, bytes], date: tuple[int, ...] = (2020, 1, 1, 0, 0, 0)) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, date), data)  # type: ignore[arg-type]  # six numbers, as it wants
    return path


@pytest.fixture
def package(tmp_path: Path) -> Path:
    package = tmp_path / "lambda_handlers"
    (package / "storage").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "wire.py").write_text("X = 1\n")
    (package / "storage" / "ltx.py").write_text("Y = {'a', 'b', 'c'}\n")
    (package / "requirements.txt").write_text("not for Lambda\n")
    return package


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(
        tmp_path / "thing-1.0-py3-none-any.whl",
        {
            "thing/core.py": b"Z = 2\n",
            "thing/_fast.cpython-313-aarch64-linux-gnu.so": b"\x7fELF",
            "thing/_fast.c": b"int main;",
            "thing/core.pyi": b"Z: int\n",
            "thing/tests/test_core.py": b"assert 0\n",
            "thing-1.0.dist-info/RECORD": b"lists what we leave out",
            "thing-1.0.dist-info/METADATA": b"License: MIT",
            "thing-1.0.dist-info/licenses/LICENSE": b"MIT",
            "thing-1.0.dist-info/sboms/thing.json": b"{}",
            "thing-1.0.data/platlib/thing/extra.py": b"E = 3\n",
            "thing-1.0.data/scripts/thing": b"#!python",
        },
    )


def names(bundle: Bundle) -> list[str]:
    return [entry.name for entry in bundle.entries]


def test_it_holds_the_server_the_packages_and_their_licences_and_nothing_else(package: Path, wheel: Path) -> None:
    assert names(assemble(ELSEWHERE, package, [wheel])) == [
        "lambda_handlers/__init__.py",
        "lambda_handlers/storage/ltx.py",
        "lambda_handlers/wire.py",
        "thing-1.0.dist-info/METADATA",
        "thing-1.0.dist-info/licenses/LICENSE",
        "thing/_fast.cpython-313-aarch64-linux-gnu.so",
        "thing/core.py",
        "thing/extra.py",
    ]


def test_the_same_input_gives_the_same_bytes(package: Path, wheel: Path, tmp_path: Path) -> None:
    first = assemble(ELSEWHERE, package, [wheel])
    os.utime(package / "wire.py", (1, 1))
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in reversed(archive.namelist())}
    later = make_wheel(tmp_path / "other.whl", files, date=(2021, 5, 5, 5, 5, 4))
    second = assemble(ELSEWHERE, package, [later])
    assert first.digest == second.digest
    assert first.zip == second.zip


def test_modes_and_dates_are_set_by_hand(package: Path, wheel: Path) -> None:
    (package / "wire.py").chmod(0o600)
    with zipfile.ZipFile(io.BytesIO(assemble(ELSEWHERE, package, [wheel]).zip)) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            assert stat.S_ISREG(mode)
            assert stat.S_IMODE(mode) == (0o755 if info.filename.endswith(".so") else 0o644), info.filename
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.compress_type == zipfile.ZIP_DEFLATED
            assert info.create_system == 3


@pytest.mark.parametrize("change", ["contents", "name"])
def test_any_change_changes_the_key(package: Path, wheel: Path, change: str) -> None:
    before = assemble(ELSEWHERE, package, [wheel]).key
    if change == "contents":
        (package / "wire.py").write_text("X = 2\n")
    else:
        (package / "wire.py").rename(package / "line.py")
    assert assemble(ELSEWHERE, package, [wheel]).key != before


def test_two_packages_with_one_file_are_refused(package: Path, wheel: Path, tmp_path: Path) -> None:
    rival = make_wheel(tmp_path / "rival.whl", {"thing/core.py": b"Z = 99\n"})
    with pytest.raises(OperationFailed, match=r"thing/core\.py"):
        assemble(ELSEWHERE, package, [wheel, rival])


def test_bytecode_comes_along_if_that_python_is_here(
    package: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # without the others
    here = names(assemble(Platform(HERE, "x86_64"), package, [wheel]))
    there = names(assemble(ELSEWHERE, package, [wheel]))
    assert f"lambda_handlers/__pycache__/wire.{sys.implementation.cache_tag}.pyc" in here
    assert not any(name.endswith(".pyc") for name in there)


@pytest.mark.parametrize(
    ("says", "is_taken"),
    [
        (f"echo cpython {ELSEWHERE.python.replace('.', ' ')}", True),
        ("echo cpython 3 1", False),  # a link by a wrong name
        (f"echo pypy {ELSEWHERE.python.replace('.', ' ')}", False),
        ("echo 'no such version' >&2; exit 127", False),  # what stands in for a version that is not installed
        (None, False),
    ],
)
def test_another_python_of_the_path_is_asked_what_it_is(
    says: str | None, is_taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    other = tmp_path / f"python{ELSEWHERE.python}"
    if says is not None:
        other.write_text(f"#!/bin/sh\n{says}\n")
        other.chmod(0o755)
    assert interpreter_of(ELSEWHERE) == (str(other) if is_taken else None)


def test_bytecode_is_made_by_the_other_python(tmp_path: Path, package: Path, wheel: Path) -> None:
    if (interpreter := interpreter_of(ELSEWHERE)) is None:
        pytest.skip(f"no python{ELSEWHERE.python} here")
    made = assemble(ELSEWHERE, package, [wheel])
    (tmp_path / "wire.pyc").write_bytes(next(e.data for e in made.entries if "__pycache__/wire." in e.name))
    subprocess.run([interpreter, str(tmp_path / "wire.pyc")], check=True)


def test_bytecode_is_the_same_every_time(package: Path, wheel: Path) -> None:
    first = assemble(Platform(HERE, "x86_64"), package, [wheel])
    keep_alive = [f"{letter}_unrelated" for letter in "XYZ"]  # other strings in this process change nothing
    second = assemble(Platform(HERE, "x86_64"), package, [wheel])
    assert keep_alive
    assert first.zip == second.zip


def test_python_runs_from_the_bytecode_of_the_bundle(package: Path, wheel: Path, tmp_path: Path) -> None:
    bundle = assemble(Platform(HERE, "x86_64"), package, [wheel])
    task = tmp_path / "task"
    with zipfile.ZipFile(io.BytesIO(bundle.zip)) as archive:
        archive.extractall(task)
    # Were the source read, this would fail: unchecked bytecode is taken as it is.
    (task / "lambda_handlers" / "wire.py").write_text("raise SystemExit('compiled again')\n")
    code = "from lambda_handlers import wire; print(wire.X, wire.__spec__.cached)"
    done = subprocess.run([sys.executable, "-c", code], cwd=task, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("1 ")


@pytest.mark.network
@pytest.mark.parametrize(
    "platform",
    [
        pytest.param(Platform("python3.13", "arm64"), marks=pytest.mark.long),
        Platform("python3.14", "x86_64"),
        Platform("python3.10", "arm64"),
    ],
    ids=lambda platform: f"{platform.runtime}-{platform.architecture}",
)
def test_the_real_bundle_has_the_newest_wheels_and_fits(platform: Platform, tmp_path: Path) -> None:
    bundle = build(platform, tmp_path)
    found = names(bundle)
    tag = platform.python.replace(".", "")
    machine = {"arm64": "aarch64", "x86_64": "x86_64"}[platform.architecture]
    assert f"apsw/__init__.cpython-{tag}-{machine}-linux-gnu.so" in found
    # obstore's wheels from 0.12 on are for the stable ABI: without it pip would settle for an old version.
    assert any(name.startswith("obstore/_obstore.") for name in found)
    if platform.python_version > (3, 10):
        assert "obstore/_obstore.abi3.so" in found
    assert "lambda_handlers/db_function.py" in found
    unused = ("/tests/", "sqlite_extra_binaries", "lz4/frame/", "apsw/_unicode.", "apsw/ext.", "obstore/fsspec.")
    assert not [name for name in found if any(each in name for each in unused)]
    # Lambda reads it at each cold start.
    assert len(bundle.zip) < 9_500_000
