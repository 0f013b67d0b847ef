"""The text of the stack's template: `cloudformation/template.yaml` in a checkout, beside this module in a wheel."""

from __future__ import annotations

from pathlib import Path


def template_path() -> Path:
    packaged = Path(__file__).with_name("template.yaml")
    if packaged.exists():
        return packaged
    return Path(__file__).resolve().parents[2] / "cloudformation" / "template.yaml"


def template_text() -> str:
    return template_path().read_text("utf-8")
