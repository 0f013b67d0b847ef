from __future__ import annotations

import sys

import pytest

from lambda_handlers.wire import SldbError
from sldb.deploy.bundle.platform import Platform

HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(
    ("runtime", "glibc"), [("python3.10", 26), ("python3.11", 26), ("python3.12", 34), ("python3.14", 34)]
)
def test_no_wheel_needs_a_newer_glibc_than_the_runtime_has(runtime: str, glibc: int) -> None:
    tags = Platform(runtime, "arm64").wheel_tags
    assert tags[0] == f"manylinux_2_{glibc}_aarch64"
    assert "manylinux_2_17_aarch64" in tags
    assert "manylinux2014_aarch64" in tags


def test_architectures_have_their_wheels() -> None:
    assert all(tag.endswith("_x86_64") for tag in Platform("python3.13", "x86_64").wheel_tags)
    assert all(tag.endswith("_aarch64") for tag in Platform("python3.13", "arm64").wheel_tags)


def test_the_host_is_asked_for_by_name() -> None:
    assert Platform.choose(HERE, "x86_64", "host").host
    assert not Platform.choose(HERE, "x86_64", None).host


def test_the_host_runs_its_own_python_only() -> None:
    other = "python3.10" if HERE != "python3.10" else "python3.11"
    with pytest.raises(SldbError, match=HERE) as caught:
        Platform.choose(other, "x86_64", "host")
    assert caught.value.exit_code == 2


def test_an_unknown_place_is_an_error() -> None:
    with pytest.raises(SldbError, match="SLDB_BUNDLE_PLATFORM"):
        Platform.choose(HERE, "x86_64", "moon")
