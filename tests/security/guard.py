"""cfn-guard over templates, in the environment of the tools: prints what fails as JSON.

    python guard.py RULES TEMPLATE...

RULES is a folder of *.guard files. A rule is asked only about templates that have a type which it names. The tree that
cfn-guard makes is read here, and not the shorter report: that one is broken off by long values.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main(rules_folder: str, *templates: str) -> None:
    from cfn_guard_rs.cfn_guard_rs import run_checks_rs

    texts = [path.read_text("utf-8") for path in sorted(Path(rules_folder).rglob("*.guard"))]
    failures, count = [], 0
    for template in templates:
        document = json.loads(Path(template).read_text("utf-8"))
        types = {resource["Type"] for resource in document["Resources"].values()}
        applicable = [text for text in texts if any(type_ in text for type_ in types)]
        count += len(applicable)
        for text in applicable:
            tree = json.loads(run_checks_rs(json.dumps(document), text, True))
            failures += [[template, rule, resource] for rule, resource in failed(tree)]
    print(json.dumps({"rules": len(texts), "checks": count, "failures": failures}))


def failed(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name of each rule that failed and the logical id of each resource that it failed for."""
    rule = _check(tree, "RuleCheck")
    if rule is None:
        for child in tree.get("children", ()):
            yield from failed(child)
    elif rule["status"] == "FAIL":
        for resource in sorted(set(_resources(tree))) or ["?"]:
            yield rule["name"], resource


def _resources(tree: dict[str, Any]) -> Iterator[str]:
    """Yield the resources that the failed clauses below looked at; not those of what selects resources."""
    container = tree.get("container")
    if any(
        isinstance(each, dict) and each.get("status") in ("PASS", "SKIP")
        for each in (container.values() if isinstance(container, dict) else ())
    ):
        return  # such as an alternative of which another one holds
    if any(
        name == "Filter" or name.endswith("Condition") for name in (container if isinstance(container, dict) else ())
    ):
        return
    clause = _check(tree, "ClauseValueCheck")
    if clause is not None:
        yield from _paths(clause)
    for child in tree.get("children", ()):
        yield from _resources(child)


def _paths(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "path" and isinstance(member, str) and member.startswith("/Resources/"):
                yield member.split("/")[2]
            yield from _paths(member)
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item)


def _check(tree: dict[str, Any], kind: str) -> Any:
    container = tree.get("container")
    return container.get(kind) if isinstance(container, dict) else None


if __name__ == "__main__":
    main(*sys.argv[1:])
