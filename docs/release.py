"""`make release`: wheel, sdist, template and bill of materials in dist/, with their checksums.

    python -m docs.release DIRECTORY

Everything is built twice, and must be the same bytes. The version is that of the tag (v0.2.0). A release needs a
section of its own in CHANGELOG.md, with a date and entries; a commit without a tag builds a rehearsal, and needs
entries below "Unreleased".
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from email import message_from_bytes
from pathlib import Path

from docs.sbom import sbom

ROOT = Path(__file__).parents[1]
_RELEASE = re.compile(r"\d+\.\d+\.\d+")
SUMS = "SHA256SUMS"


class Refused(Exception):
    """There must be no release; the message says why, and what to do."""


def main(directory: Path) -> int:
    """Release the checkout; return the exit status."""
    moment = source_date()
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        try:
            version = make(Path(first), moment)
            check_changelog((ROOT / "CHANGELOG.md").read_text("utf-8"), version)
            make(Path(second), moment)
            check_same(Path(first), Path(second))
        except Refused as error:
            print(f"no release: {error}", file=sys.stderr)
            return 1
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(first, directory)
    kind = "" if is_release(version) else " (a rehearsal: the commit has no tag)"
    print(f"{version}{kind}, built twice, the same bytes:")
    print((directory / SUMS).read_text("utf-8"), end="")
    return 0


def is_release(version: str) -> bool:
    return _RELEASE.fullmatch(version) is not None


def source_date() -> int:
    """Return the time of what is built, in unix seconds: SOURCE_DATE_EPOCH, else that of the commit, else the earliest
    that a zip file can have."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    asked = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    return int(asked.stdout) if asked.returncode == 0 and asked.stdout.strip() else 315532800


def check_changelog(text: str, version: str) -> None:
    """Raise Refused if the changelog has no entries for the version."""
    heading = rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)" if is_release(version) else "Unreleased"
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if section is None or not re.search(r"^- ", section[1], re.MULTILINE):
        wanted = f'"## {version} (date)"' if is_release(version) else '"## Unreleased"'
        raise Refused(f"CHANGELOG.md has no entries below {wanted}: write them, commit, and move the tag")


def make(directory: Path, moment: int) -> str:
    """Build everything into an empty directory; return the version. Raises Refused."""
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(directory), str(ROOT)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(moment)}
    built = subprocess.run(build, env=environment, capture_output=True, encoding="utf-8", check=False)
    if built.returncode:
        raise Refused(f"the build failed:\n{built.stdout}{built.stderr}")
    version, requirements = _metadata(next(directory.glob("*.whl")))
    shutil.copyfile(ROOT / "cloudformation" / "template.yaml", directory / f"sldb-{version}-template.yaml")
    document = sbom(version, requirements, moment)
    (directory / f"sldb-{version}-sbom.cdx.json").write_text(document, "utf-8", newline="\n")
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in _files(directory)]
    (directory / SUMS).write_text("".join(sums), "utf-8", newline="\n")
    return version


def check_same(first: Path, second: Path) -> None:
    """Raise Refused if two builds differ."""
    for one, other in zip(_files(first), _files(second), strict=True):
        if (one.name, one.read_bytes()) != (other.name, other.read_bytes()):
            raise Refused(f"{one.name} and {other.name}, built twice, differ")


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if not path.name.startswith("."))


def _metadata(wheel: Path) -> tuple[str, list[str]]:
    """Return the version, and the requirements."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        headers = message_from_bytes(archive.read(name))
    return headers["Version"], headers.get_all("Requires-Dist", [])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
