"""The documentation against the tree: the files, links, anchors, functions and tests that a page names exist."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from sldb.cli import spec
from sldb.cli.main import sldb
from sldb.stack.names import deadlock_fix_function, default_function

ROOT = Path(__file__).parents[1]
PAGES = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob(".github/**/*.md")))
SPAN = re.compile(r"`([^`\n]+)`")
MODULE = re.compile(r"[\w./-]+\.py")
# A path that begins with one of the project's folders, of a file or a folder.
FOLDERS = (
    "lambda_handlers",
    "sldb",
    "tests",
    "docs",
    "demo",
    "live",
    "benchmarks",
    "cloudformation",
    ".ci",
    ".devcontainer",
)
BELOW_ROOT = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]*")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.M)
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
NODE = re.compile(r"`([\w/]+\.py)::(\w+)`")
INVARIANT = re.compile(r"^\| \d+ \| .* \| (?P<kept_by>.*) \| (?P<tests>.*) \|$", re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    assert [path for path in _paths(page) if not _exists(path)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_anchor_resolves(page: Path) -> None:
    for link in LINK.findall(_prose(page)):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), link
        assert not anchor or anchor in _anchors(file), link


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in LINK.findall(_prose(ROOT / "README.md"))}
    assert {f"docs/{page.name}" for page in ROOT.glob("docs/*.md")} - linked == set()


def test_every_page_has_a_place_in_the_menu_of_the_site() -> None:
    places = set(re.findall(r"- (?:\w+: )?([\w-]+\.md)", (ROOT / "mkdocs.yml").read_text("utf-8")))
    assert {page.name for page in ROOT.glob("docs/*.md")} - places == set()


def test_each_invariant_names_code_that_there_is() -> None:
    source = _source("lambda_handlers")
    named = [span for kept_by, _ in _invariants() for span in SPAN.findall(kept_by) if not span.endswith(".py")]
    assert [name for name in named if not re.search(rf"\b{name.rpartition('.')[2]}\b", source)] == []


def test_each_invariant_names_tests_that_there_are() -> None:
    """`…part of a name…` stands for the tests whose names contain the part."""
    parts = [part for _, tests in _invariants() for part in re.findall(r"`…(\w+?)…?`", tests)]
    assert parts
    assert [part for part in parts if not re.search(rf"def test_\w*{part}", _source("tests"))] == []


def test_each_threat_names_tests_that_there_are() -> None:
    rows = [line for line in _page("threats.md").splitlines() if re.match(r"\| .* \| [STRIDE, ]+ \|", line)]
    named = [NODE.findall(row) for row in rows]
    assert rows
    assert all(named)
    assert [(file, name) for each in named for file, name in each if not _has_test(file, name)] == []


def test_the_threat_model_has_each_option_of_deploy() -> None:
    parameters = spec.own_parameters(dict(spec.walk(sldb))["deploy",], sldb)
    options = {each.opts[-1] for each in parameters if each.opts[-1].startswith("--")}
    listed = set(re.findall(r"`(--[\w-]+)`", _page("threats.md").partition("## Options of deploy")[2]))
    assert "--api" in options
    assert options - listed == set()


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def _has_test(file: str, name: str) -> bool:
    path = ROOT / file
    return path.exists() and re.search(rf"^def {name}\(", path.read_text("utf-8"), re.M) is not None


def _paths(page: Path) -> Iterator[str]:
    for span in SPAN.findall(_prose(page)):
        first = span.split()[-1] if span.startswith("python ") else span.split("::")[0]
        if MODULE.fullmatch(first) or BELOW_ROOT.fullmatch(first):
            yield first


def _exists(path: str) -> bool:
    """True for a path below the root, and for the end of the path of a file or folder (`storage/test_head.py`)."""
    return any(f"/{file}".endswith(f"/{path.rstrip('/')}") for file in _files()) or (ROOT / path).exists()


@cache
def _files() -> frozenset[str]:
    """The files of the checkout; outside of one, all that there are."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return frozenset(listed.stdout.splitlines() or [str(file.relative_to(ROOT)) for file in ROOT.rglob("*.*")])


def _invariants() -> list[tuple[str, str]]:
    return [(row["kept_by"], row["tests"]) for row in INVARIANT.finditer((ROOT / "docs/storage.md").read_text("utf-8"))]


@cache
def _source(folder: str) -> str:
    return "\n".join(file.read_text("utf-8") for file in (ROOT / folder).rglob("*.py"))


def _prose(page: Path) -> str:
    return FENCE.sub("", page.read_text("utf-8"))


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    return {_anchor(heading) for heading in HEADING.findall(_prose(page))}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_each_stack_of_another_tool_has_functions_of_its_own_name() -> None:
    """The defaults of the template are the names of one stack: a second one would not be created."""
    blocks = [block for block in FENCE.findall(_page("infrastructure.md")) if "BundleKey" in block]
    assert len(blocks) == 3
    function = default_function("orders")
    for block in blocks:
        given = dict(re.findall(r"(\w*FunctionName)\W+([\w-]+)", block))
        assert given == {"FunctionName": function, "DeadlockFixFunctionName": deadlock_fix_function(function)}, block
