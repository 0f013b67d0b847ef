"""What `make release` makes, and when it refuses to; docs/release.py and docs/sbom.py."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
import yaml

from docs import release
from docs.sbom import sbom
from tests.fakes.terminal.command import ROOT

REQUIREMENTS = ["boto3<2,>=1.40", "tomli<3,>=2; python_version < '3.11'", "pyarrow<26,>=18; extra == 'parquet'"]
MOMENT = 1795766400


def fault_of(bill: str) -> object:
    """What is wrong with a bill of materials, or None."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill)


def test_the_bill_of_materials_is_valid_and_names_every_pin() -> None:
    text = sbom("0.2.0", REQUIREMENTS, MOMENT)
    assert fault_of(text) is None
    components = json.loads(text)["components"]
    of_bundle = [each for each in components if "hashes" in each]
    names = ("requirements.txt", "requirements-al2.txt")
    locked = "".join((ROOT / "lambda_handlers" / name).read_text("utf-8") for name in names)
    pinned = set(re.findall(r"^([a-z0-9._-]+)==([0-9.]+)", locked, re.MULTILINE))
    assert {(each["name"], each["version"]) for each in of_bundle} == pinned
    hashes = {each["content"] for component in of_bundle for each in component["hashes"]}
    assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", locked))
    assert [each["name"] for each in components if "hashes" not in each] == ["boto3", "tomli"]


def test_the_same_commit_gives_the_same_bill() -> None:
    assert sbom("0.2.0", REQUIREMENTS, MOMENT) == sbom("0.2.0", list(reversed(REQUIREMENTS)), MOMENT)
    assert sbom("0.2.0", REQUIREMENTS, MOMENT) != sbom("0.2.1", REQUIREMENTS, MOMENT)


@pytest.mark.parametrize(
    ("version", "text"),
    [
        (
            "0.2.0",
            "# Changelog\n\n## 0.2.0 (2027-01-01)\n\n### Queue\n\n- It is new.\n\n## 0.1.0 (2026-11-27)\n\n- All.\n",
        ),
        ("0.2.1.dev3+gabc", "# Changelog\n\n## Unreleased\n\n- It is new.\n"),
    ],
)
def test_a_version_with_entries_is_released(version: str, text: str) -> None:
    release.check_changelog(text, version)


@pytest.mark.parametrize(
    "text",
    [
        "# Changelog\n\n## Unreleased\n\n- It is new.\n\n## 0.1.0 (2026-11-27)\n\n- All.\n",
        "# Changelog\n\n## 0.2.0\n\n- It has no date.\n",
        "# Changelog\n\n## 0.2.0 (2027-01-01)\n\n### Queue\n\n## 0.1.0 (2026-11-27)\n\n- All.\n",
        "",
    ],
    ids=["no section", "no date", "no entry", "empty"],
)
def test_a_version_without_entries_is_refused(text: str) -> None:
    with pytest.raises(release.Refused, match=r"no entries below .## 0\.2\.0 \(date\)"):
        release.check_changelog(text, "0.2.0")


def test_builds_that_differ_are_refused(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a.whl").write_bytes(bytes([number]))
    release.check_same(tmp_path / "1", tmp_path / "1")
    with pytest.raises(release.Refused, match=r"a\.whl"):
        release.check_same(tmp_path / "1", tmp_path / "2")


@pytest.mark.long
def test_a_release_is_built_twice_and_has_its_sums(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "dist"
    assert release.main(out) == 0, capsys.readouterr().err
    sums = dict(reversed(line.split("  ")) for line in (out / release.SUMS).read_text().splitlines())
    assert {name.rpartition(".")[2] for name in sums} == {"whl", "gz", "yaml", "json"}
    assert sums == {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in sums}
    assert fault_of(next(out.glob("*.json")).read_text("utf-8")) is None


def test_the_workflows_have_every_python_and_few_rights() -> None:
    workflows = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / ".github/workflows").glob("*")}
    assert set(workflows) == {"ci", "release"}
    assert all(workflow["permissions"] == {"contents": "read"} for workflow in workflows.values())
    matrix = workflows["ci"]["jobs"]["tests"]["strategy"]["matrix"]
    supported = re.findall(
        r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text("utf-8")
    )
    assert matrix["python"] == supported
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert "secrets." not in "".join(path.read_text("utf-8") for path in (ROOT / ".github/workflows").glob("*"))
