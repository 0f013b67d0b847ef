"""What is built is what is used: the wheel in an environment of its own, away from the checkout.

The dependencies are those of the running environment, which a .pth file adds; what that environment knows of the
checkout (an editable install) is a .pth file itself, and those of added directories do not count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from email import message_from_string
from pathlib import Path

import pytest

from docs import man_pages
from tests.fakes.terminal.command import ROOT, environment

PACKAGES = ("sldb", "lambda_handlers")


@dataclass(frozen=True, slots=True)
class Dist:
    wheel: Path
    sdist: Path

    def wheel_files(self) -> dict[str, str]:
        """Name → text, of everything in the wheel."""
        with zipfile.ZipFile(self.wheel) as archive:
            return {name: archive.read(name).decode() for name in archive.namelist()}


@dataclass(frozen=True, slots=True)
class Installed:
    bin: Path
    home: Path
    downloads: Path  # where wheels are kept from one run to the next

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.bin), os.environ["PATH"]])
        clean = environment(self.home, {"PATH": path, "XDG_CACHE_HOME": str(self.downloads)})
        del clean["PYTHONPATH"]
        return subprocess.run(
            [self.bin / command, *arguments],
            env=clean,
            cwd=self.home,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    def say(self, code: str) -> str:
        """What this Python code prints."""
        done = self.run("python", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Dist:
    """The wheel is built from the sdist, as users of an sdist would."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Dist(next(out.glob("*.whl")), next(out.glob("*.tar.gz")))


@pytest.fixture(scope="module")
def installed(dist: Dist, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Installed:
    root = tmp_path_factory.mktemp("installed")
    venv.create(root / "venv", with_pip=False, symlinks=os.name != "nt")
    bin_dir = root / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", str(bin_dir / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(dist.wheel)], check=True)
    home = root / "home"
    home.mkdir()
    cache = request.config.cache
    assert cache is not None
    there = Installed(bin_dir, home, cache.mkdir("downloads"))
    site = Path(there.say("import sysconfig; print(sysconfig.get_path('purelib'))"))
    others = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "dependencies.pth").write_text("\n".join(sorted(others)), "utf-8")
    return there


def test_the_wheel_holds_both_packages_and_the_template_and_nothing_else(dist: Dist) -> None:
    files = dist.wheel_files()
    ours = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in files if not name.split("/")[0].endswith((".dist-info", ".data"))}
    assert packed == ours | {"sldb/deploy/template.yaml", "sldb/_version.py"}
    assert {"sldb/py.typed", "lambda_handlers/py.typed", "lambda_handlers/requirements.txt"} <= packed
    assert files["sldb/deploy/template.yaml"] == (ROOT / "cloudformation" / "template.yaml").read_text("utf-8")


def test_the_wheel_holds_the_man_pages(dist: Dist) -> None:
    packed = {name for name in dist.wheel_files() if name.split("/")[0].endswith(".data")}
    assert {Path(name).name for name in packed} == set(man_pages.pages())
    assert {str(Path(name).parent).partition("/")[2] for name in packed} == {"data/share/man/man1"}


def test_the_metadata_says_what_is_needed(dist: Dist) -> None:
    name, text = next((name, text) for name, text in dist.wheel_files().items() if name.endswith("/METADATA"))
    metadata = message_from_string(text)
    assert name.startswith(f"sldb-{metadata['Version']}.dist-info")
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert any(line.startswith("apsw") for line in needed)
    assert not [line for line in needed if line.startswith(("moto", "awslambdaric", "pytest"))]
    assert metadata["Requires-Python"] == ">=3.10"


def test_the_sdist_can_be_tested(dist: Dist) -> None:
    with tarfile.open(dist.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("pyproject.toml", "README.md", "LICENSE", "Makefile", "cloudformation/template.yaml"):
        assert name in names
    assert f"tests/{Path(__file__).name}" in names


def test_what_is_installed_is_used_and_not_the_checkout(installed: Installed) -> None:
    for package in PACKAGES:
        origin = installed.say(f"import {package}; print({package}.__file__)")
        assert Path(origin).is_relative_to(installed.bin.parent), origin
    assert str(ROOT) not in installed.say("import sys; print(*sys.path, sep='\\n')").splitlines()


def test_the_command_runs(installed: Installed) -> None:
    done = installed.run("sldb", "--version")
    version = installed.say("import importlib.metadata; print(importlib.metadata.version('sldb'))")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"sldb, version {version}\n", "")
    assert installed.run("python", "-m", "sldb", "--version").stdout == done.stdout


def test_a_query_over_a_directory(installed: Installed) -> None:
    query = ["--local", "db", "query", "--format", "csv"]
    assert installed.run("sldb", *query, "create table t(a); insert into t values (7)").returncode == 0
    done = installed.run("sldb", *query, "select a from t")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a\n7\n", "")


def test_the_template_and_the_lock_file_are_found(installed: Installed) -> None:
    code = """
from sldb.deploy import template
from sldb.deploy.bundle import pins
from sldb.deploy.bundle.platform import Platform
print(template.template_path())
print(pins.lock_file(Platform("python3.13", "arm64")))
print(*(pin.name for pin in pins.pins_for(Platform("python3.13", "arm64"))))
"""
    template, lock_file, names = installed.say(code).splitlines()
    for path in (template, lock_file):
        assert Path(path).is_file()
        assert Path(path).is_relative_to(installed.bin.parent)
    assert {"apsw", "obstore", "lz4", "fastcrc"} <= set(names.split())


@pytest.mark.network
@pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric, which the emulator runs, is for Linux only")
def test_it_deploys_itself(installed: Installed) -> None:
    """The bundle, made from the installed files, runs and writes."""
    script = (
        "sldb deploy --yes && sldb query --format csv 'create table t(a); insert into t values (42); select a from t'"
    )
    done = installed.run("sldb", "emulator", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (0, "a\n42\n"), done.stderr
