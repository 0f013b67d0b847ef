from __future__ import annotations

import pytest

from sldb.deploy.bundle.pins import lock_file, pins_for, select
from sldb.deploy.bundle.platform import ARCHITECTURES, RUNTIMES, Platform

A, B = "a" * 64, "b" * 64
LOCK = f"""\
# a comment
obstore==0.11.1 ; python_full_version < '3.11' \\
    --hash=sha256:{A}
obstore==0.12.1 ; python_full_version >= '3.11' \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
"""


@pytest.mark.parametrize(("python", "version"), [((3, 10), "0.11.1"), ((3, 11), "0.12.1"), ((3, 14), "0.12.1")])
def test_markers_count_for_the_python_of_the_bundle(python: tuple[int, int], version: str) -> None:
    assert [pin.version for pin in select(LOCK, python)] == [version]


def test_all_hashes_of_a_pin_are_kept() -> None:
    (pin,) = select(LOCK, (3, 13))
    assert pin.hashes == {A, B}
    assert str(pin) == f"obstore==0.12.1 --hash=sha256:{A} --hash=sha256:{B}"


@pytest.mark.parametrize(
    "line",
    [
        "obstore>=0.12",
        "obstore==0.12.1",  # without a hash
        f"--index-url https://example.com/simple --hash=sha256:{A}",
        f"obstore==0.12.1 ; sys_platform == 'win32' --hash=sha256:{A}",
    ],
)
def test_what_is_no_pin_is_an_error_and_never_skipped(line: str) -> None:
    with pytest.raises(ValueError, match="not a pin"):
        list(select(line, (3, 13)))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_package_is_pinned_once_for_every_runtime(runtime: str, architecture: str) -> None:
    platform = Platform(runtime, architecture)
    names = [pin.name for pin in pins_for(platform)]
    expected = {"apsw", "fastcrc", "lz4", "obstore"}
    if platform.python_version < (3, 13):
        expected.add("typing-extensions")
    assert sorted(names) == sorted(expected)


def test_old_runtimes_have_a_lock_file_of_their_own() -> None:
    assert lock_file(Platform("python3.11", "arm64")).name == "requirements-al2.txt"
    assert lock_file(Platform("python3.12", "arm64")).name == "requirements.txt"
    assert lock_file(Platform("python3.11", "arm64", host=True)).name == "requirements.txt"


@pytest.mark.parametrize("runtime", ["python3.11", "python3.13"])
def test_no_lock_file_names_an_index(runtime: str) -> None:
    assert "://" not in lock_file(Platform(runtime, "arm64")).read_text("utf-8")
