"""The checkers of `make security`, each with its own way to say what it found."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sldb.deploy.template import template_path
from tests.security.templates import suppressed_by_checkov, suppressed_by_guard
from tests.test_architecture import ROOT

CODE = ("sldb", "lambda_handlers", "docs", "demo")
LOCKED = ("lambda_handlers/requirements.txt", "lambda_handlers/requirements-al2.txt")
# A template without parameters has none that are not used; python3.10 is allowed on purpose, as the template says.
_RESOLVED = ("W2001", "W1030")


@dataclass(frozen=True, slots=True)
class Tools:
    environment: Path
    scratch: Path
    templates: tuple[Path, ...]
    more_guard_rules: str | None = None  # a folder

    def run(self, *command: str | Path) -> str:
        """Return what a program printed; it may find something. Raises RuntimeError if it printed nothing."""
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, cwd=ROOT)
        if not done.stdout.strip():
            raise RuntimeError(f"{command[0]} printed nothing\n{done.stderr}")
        return done.stdout

    def program(self, name: str) -> Path:
        return self.environment / "bin" / name


@dataclass(frozen=True, slots=True)
class Result:
    tool: str
    scope: str
    failures: tuple[str, ...]


def checkov(tools: Tools) -> Result:
    options = ("--framework", "cloudformation", "--compact", "--skip-download", "--output", "json")
    printed = tools.run(tools.program("checkov"), "-d", tools.scratch, *options)
    return read_checkov(json.loads(printed), _documents(tools))


def read_checkov(report: dict[str, Any], templates: Iterable[dict[str, Any]]) -> Result:
    """Return the failures, and the suppressions that suppress nothing in any template."""
    results, summary = report["results"], report["summary"]
    failures = {f"{_resource(each)}: {each['check_id']} {each['check_name']}" for each in results["failed_checks"]}
    used = {(_resource(each), each["check_id"]) for each in results["skipped_checks"]}
    wanted = set[tuple[str, str]]().union(*(suppressed_by_checkov(each) for each in templates))
    failures |= {f"{name}: {rule} is suppressed, and never fails" for name, rule in wanted - used}
    if summary["parsing_errors"] or not summary["passed"]:
        failures.add(f"not all was checked: {summary}")
    scope = f"{summary['passed'] + summary['failed']} checks, {summary['skipped']} suppressed"
    return Result("checkov", scope, tuple(sorted(failures)))


def cfn_lint(tools: Tools) -> Result:
    from cfnlint.api import lint_file  # type: ignore[import-untyped]  # publishes no types

    found = [str(match) for match in lint_file(template_path())]
    for path in tools.templates:
        found += [str(match) for match in lint_file(path) if match.rule.id not in _RESOLVED]
    return Result("cfn-lint", f"the template, and {len(tools.templates)} combinations", tuple(sorted(set(found))))


def cfn_guard(tools: Tools) -> Result:
    folders = [tools.environment / "guard_rules"]
    folders += [Path(tools.more_guard_rules)] if tools.more_guard_rules else []
    failures, scopes = set[str](), []
    for folder in folders:
        script = Path(__file__).with_name("guard.py")
        report = json.loads(tools.run(tools.program("python"), script, folder, *tools.templates))
        failures |= set(read_guard(report, {str(path): json.loads(path.read_text()) for path in tools.templates}))
        scopes.append(f"{report['rules']} rules, {report['checks']} checks")
    return Result("cfn-guard", ", and ".join(scopes), tuple(sorted(failures)))


def read_guard(report: dict[str, Any], templates: dict[str, dict[str, Any]]) -> list[str]:
    """Return what fails, and the suppressions that suppress nothing in any template.

    Rules of aws-guard-rules-registry (in capitals) know suppressions themselves; those of Control Tower do not.
    """
    failed = {(resource, rule) for _, rule, resource in report["failures"]}
    suppressed = set[tuple[str, str]]().union(*(suppressed_by_guard(each) for each in templates.values()))
    unused = {(name, rule) for name, rule in suppressed - failed if rule.islower()}
    if all(rule.isupper() for _, rule in failed):
        unused = set()
    return [
        *(f"{resource}: {rule}" for resource, rule in failed - suppressed),
        *(f"{resource}: {rule} is suppressed, and never fails" for resource, rule in unused),
    ]


def bandit(tools: Tools) -> Result:
    printed = tools.run(tools.program("bandit"), "-q", "-r", "-c", "pyproject.toml", "-f", "json", *CODE)
    report = json.loads(printed)
    found = {
        f"{each['filename']}:{each['line_number']}: {each['test_id']} {each['issue_text']}"
        for each in report["results"]
    }
    lines = report["metrics"]["_totals"]["loc"]
    return Result("bandit", f"{lines} lines", tuple(sorted(found | {str(error) for error in report["errors"]})))


def workflows(tools: Tools) -> Result:
    """Return what is wrong with the workflows of GitHub: by their schema, and by zizmor's rules for safe ones."""
    files = sorted(str(path) for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    schema = ("--builtin-schema", "vendor.github-workflows", "--output-format", "json")
    checked = json.loads(tools.run(tools.program("check-jsonschema"), *schema, *files))
    audited = tools.run(tools.program("zizmor"), "--offline", "--no-progress", "--format", "json", *files)
    return Result("workflows", f"{len(files)} files", read_workflows(checked, json.loads(audited)))


def read_workflows(checked: dict[str, Any], audited: list[dict[str, Any]]) -> tuple[str, ...]:
    errors = [*checked.get("errors", ()), *checked.get("parse_errors", ())]
    found = [f"{Path(each['filename']).name}: {each.get('path', '')} {each['message']}" for each in errors]
    found += [f"{_workflow(each)}: {each['ident']} {each['desc']}" for each in audited]
    return tuple(sorted(set(found)))


def _workflow(finding: dict[str, Any]) -> str:
    return Path(finding["locations"][0]["symbolic"]["key"]["Local"]["verbatim_path"]).name


def pip_audit(tools: Tools) -> Result:
    """Return known vulnerabilities of what is in the bundle; where the database is out of reach, say so."""
    options = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "-f", "json")
    packages = []
    for name in LOCKED:
        try:
            printed = tools.run(tools.program("pip-audit"), *options, "-r", name)
        except RuntimeError as error:
            return Result("pip-audit", f"not checked: {str(error).strip().splitlines()[-1][:200]}", ())
        packages += json.loads(printed)["dependencies"]
    return read_audit(packages)


def read_audit(packages: list[dict[str, Any]]) -> Result:
    unknown = {each["name"] for each in packages if "skip_reason" in each}
    known = {each["name"] for each in packages} - unknown
    found = {
        f"{each['name']} {each['version']}: {problem['id']}" for each in packages for problem in each.get("vulns", ())
    }
    scope = f"{len(known)} packages of the bundle checked, {len(unknown)} unknown to the database"
    return Result("pip-audit", scope, tuple(sorted(found)))


def _documents(tools: Tools) -> list[dict[str, Any]]:
    return [json.loads(path.read_text("utf-8")) for path in tools.templates]


def _resource(each: dict[str, Any]) -> str:
    return str(each["resource"]).rpartition(".")[2]
