"""The template as files for checkers: one for each combination of options that makes a difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cfnlint.decode.cfn_yaml import load  # type: ignore[import-untyped]  # publishes no types

from sldb.deploy.template import template_path
from tests.cloudformation.combinations import Combinations, plain


def combinations() -> Combinations:
    return Combinations(plain(load(str(template_path()))))


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
