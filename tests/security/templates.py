"""The template as files for checkers: one for each combination of options that makes a difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sldb.deploy.template import template_path
from sldb.emulator.cloudformation.template import load
from tests.cloudformation.combinations import Combinations


def combinations() -> Combinations:
    return Combinations(load(template_path().read_text("utf-8")).document)


def write_templates(folder: Path) -> list[Path]:
    """Return the files."""
    found = combinations()
    paths = []
    for number, assignment in enumerate(found.covering()):
        path = folder / f"combination-{number:02}.json"
        path.write_text(json.dumps(found.render(assignment), indent=1), "utf-8")
        paths.append(path)
    return paths


def suppressed_by_guard(template: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the resources of a template and the rules of cfn-guard that each suppresses."""
    return {
        (name, rule)
        for name, resource in template["Resources"].items()
        for rule in resource.get("Metadata", {}).get("guard", {}).get("SuppressedRules", ())
    }


def suppressed_by_checkov(template: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (name, skip["id"])
        for name, resource in template["Resources"].items()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", ())
    }
