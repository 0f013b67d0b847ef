"""What the checkers print is read rightly; `make security` runs them."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.security import checkers, guard, unpack_rules


def template(*suppressed: str, checkov: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"guard": {"SuppressedRules": list(suppressed)}}
    if checkov:
        metadata["checkov"] = {"skip": [{"id": checkov, "comment": "a reason"}]}
    return {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Metadata": metadata}}}


def checkov_report(*, failed: tuple[str, ...] = (), skipped: tuple[str, ...] = (), errors: int = 0) -> dict[str, Any]:
    def each(check: str) -> dict[str, str]:
        return {"resource": "AWS::S3::Bucket.Bucket", "check_id": check, "check_name": "a name"}

    summary = {"passed": 1, "failed": len(failed), "skipped": len(skipped), "parsing_errors": errors}
    results = {"failed_checks": [each(check) for check in failed], "skipped_checks": [each(check) for check in skipped]}
    return {"results": results, "summary": summary}


def test_what_checkov_finds_fails() -> None:
    result = checkers.read_checkov(checkov_report(failed=("CKV_1", "CKV_1")), [template()])
    assert result.failures == ("Bucket: CKV_1 a name",)


def test_a_suppression_that_suppresses_nothing_fails() -> None:
    kept = checkers.read_checkov(checkov_report(skipped=("CKV_1",)), [template(checkov="CKV_1"), template()])
    assert kept.failures == ()
    idle = checkers.read_checkov(checkov_report(), [template(checkov="CKV_1")])
    assert idle.failures == ("Bucket: CKV_1 is suppressed, and never fails",)


def test_a_template_that_checkov_cannot_read_fails() -> None:
    assert checkers.read_checkov(checkov_report(errors=1), [template()]).failures[0].startswith("not all was checked")


def test_rules_of_guard_fail_unless_they_are_suppressed() -> None:
    report = {"failures": [["a", "rule_check", "Bucket"], ["a", "other_check", "Bucket"]]}
    assert checkers.read_guard(report, {"a": template("rule_check")}) == ["Bucket: other_check"]
    assert checkers.read_guard(report, {"a": template("rule_check", "other_check", "idle_check")}) == [
        "Bucket: idle_check is suppressed, and never fails"
    ]
    # Those of the registry skip what is suppressed, and say nothing of it.
    assert checkers.read_guard(report, {"a": template("rule_check", "other_check", "OTHER_RULES")}) == []


def test_the_tree_of_guard_names_the_resource_that_failed_and_not_those_that_were_looked_through() -> None:
    def clause(path: str) -> dict[str, Any]:
        check = {"Comparison": {"from": {"Resolved": {"path": path, "value": 1}}}}
        return {"container": {"ClauseValueCheck": check}, "children": []}

    selection = {"container": {"Filter": "FAIL"}, "children": [clause("/Resources/Role/Type")]}
    block = {"container": {"BlockGuardCheck": {}}, "children": [clause("/Resources/Bucket/Properties"), selection]}
    failed = {"container": {"RuleCheck": {"name": "rule", "status": "FAIL"}}, "children": [selection, block]}
    passed = {"container": {"RuleCheck": {"name": "fine", "status": "PASS"}}, "children": [block]}
    tree = {"container": {"FileCheck": {}}, "children": [failed, passed]}
    assert list(guard.failed(tree)) == [("rule", "Bucket")]


def test_the_audit_says_of_how_many_packages_the_database_knows() -> None:
    packages = [
        {"name": "one", "version": "1", "vulns": [{"id": "CVE-1"}]},
        {"name": "two", "version": "2", "vulns": []},
        {"name": "three", "skip_reason": "not found"},
    ]
    result = checkers.read_audit(packages)
    assert result.failures == ("one 1: CVE-1",)
    assert result.scope == "2 packages of the bundle checked, 1 unknown to the database"


def test_rules_are_taken_out_of_the_archive_in_the_wheel(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as members:
        for name in ("package/rules/one.guard", "package/rules/one.json"):
            info = tarfile.TarInfo(name)
            info.size = 4
            members.addfile(info, io.BytesIO(b"rule"))
    with zipfile.ZipFile(tmp_path / "package.whl", "w") as wheel:
        wheel.writestr("module/package.tgz", packed.getvalue())
    unpack_rules.main(str(tmp_path), str(tmp_path / "rules"))
    assert [path.name for path in (tmp_path / "rules").iterdir()] == ["one.guard"]


def test_a_package_without_rules_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no rules"):
        unpack_rules.main(str(tmp_path), str(tmp_path / "rules"))


def test_each_combination_is_written(tmp_path: Path) -> None:
    from tests.security.templates import write_templates

    written = [json.loads(path.read_text("utf-8")) for path in write_templates(tmp_path)]
    assert {"TokenApi" in each["Resources"] for each in written} == {True, False}


def test_what_is_wrong_with_a_workflow_fails() -> None:
    wrong = {"filename": "x/ci.yml", "path": "$.jobs.a", "message": "'uses' is a required property"}
    key = {"Local": {"verbatim_path": "x/release.yml"}}
    unsafe = {"ident": "template-injection", "desc": "code of others", "locations": [{"symbolic": {"key": key}}]}
    assert checkers.read_workflows({"errors": [wrong], "parse_errors": []}, [unsafe]) == (
        "ci.yml: $.jobs.a 'uses' is a required property",
        "release.yml: template-injection code of others",
    )
    assert checkers.read_workflows({"errors": [], "parse_errors": []}, []) == ()
