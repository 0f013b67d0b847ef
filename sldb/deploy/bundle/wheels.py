"""The wheels of the bundle: fetched by pip, checked by hash, kept in the user's cache.

pip does the fetching, so that the user's own index, proxy and certificates are honoured. It runs in a subprocess,
with hashes required and sources refused. Each wheel is complete before it is renamed into its place, so that two
deploys at once cannot read a partial one; a wheel from the cache is hashed again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from sldb.aws.errors import OperationFailed
from sldb.deploy.bundle.pins import Pin
from sldb.deploy.bundle.platform import Platform
from sldb.progress.protocol import SILENT, Progress

Download = Callable[[Sequence[Pin], Platform, Path], None]


def default_cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("sldb", appauthor=False)) / "wheels"


def fetch(
    pins: Sequence[Pin],
    platform: Platform,
    cache: Path | None = None,
    download: Download | None = None,
    progress: Progress = SILENT,
) -> list[Path]:
    """Return one wheel for each pin, in the order of the pins. Raises OperationFailed with the error of pip."""
    directory = (cache or default_cache()) / _entry(pins, platform)
    wheels = _verified(pins, directory)
    if wheels is None:
        progress.begin("fetching the packages of the functions", packages=len(pins))
        _fill(directory, pins, platform, download or partial(pip_download, progress=progress))
        wheels = _verified(pins, directory)
    if wheels is None:
        raise OperationFailed(
            f"the wheels in {directory} are not those that the lock file names",
            "delete that directory and deploy again",
        )
    return wheels


def pip_download(pins: Sequence[Pin], platform: Platform, directory: Path, progress: Progress = SILENT) -> None:
    requirements = directory / "requirements.txt"
    requirements.write_text("".join(f"{pin}\n" for pin in pins), "utf-8")
    command = pip_command(platform, requirements, directory)
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            lines.append(line.rstrip("\n"))
            progress.advance(packages=line.startswith("Collecting "))
    if pip.returncode != 0:
        said = [line for line in lines if line.startswith("ERROR:")] or lines
        raise OperationFailed(
            "pip could not fetch the packages of the functions: " + " ".join(said[-2:]),
            f"run `{Path(sys.executable).name} -m pip download obstore` to see why; "
            "an index or a proxy is set up as for pip",
        )


def pip_command(platform: Platform, requirements: Path, directory: Path) -> list[str]:
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar=off"]
    command += ["--require-hashes", "--only-binary=:all:", "--no-deps", "--dest", str(directory)]
    if not platform.host:
        # Without the implementation pip takes no abi3 wheel for another platform, but an old version.
        command += ["--python-version", platform.python, "--implementation", "cp"]
        command += [f"--platform={tag}" for tag in platform.wheel_tags]
    return [*command, "--requirement", str(requirements)]


def _entry(pins: Sequence[Pin], platform: Platform) -> str:
    here = sys.version if platform.host else ""
    key = "\n".join([*map(str, pins), platform.python, *platform.wheel_tags, here])
    where = "host" if platform.host else platform.architecture
    return f"{platform.runtime}-{where}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _verified(pins: Sequence[Pin], directory: Path) -> list[Path] | None:
    """Return the wheel of each pin; None if one is missing, or its hash is not in the lock file."""
    if not directory.is_dir():
        return None
    by_hash = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in sorted(directory.glob("*.whl"))}
    found = [next((by_hash[digest] for digest in pin.hashes if digest in by_hash), None) for pin in pins]
    return [path for path in found if path is not None] if all(found) else None


def _fill(directory: Path, pins: Sequence[Pin], platform: Platform, download: Download) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        download(pins, platform, partial)
        directory.mkdir(exist_ok=True)
        for wheel in partial.glob("*.whl"):
            os.replace(wheel, directory / wheel.name)
    except PermissionError:
        if _verified(pins, directory) is None:  # else another deploy has these very files open, on Windows
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
