"""The test files touched by a change: `make test ONLY=changed`.

A change is the difference from the branch `main` (another one: BASE=…), committed or not. It touches a test file if
that is changed, has the name of a changed module, or imports one. This part is for use during development; a module may
break tests that use it only indirectly, for which there is `make test`.
"""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]


def touched(changed: Iterable[str], tests: dict[str, set[str]]) -> list[str]:
    """Return the test files touched by a change of `changed`. `tests`: the imported modules of each."""
    paths = set(changed)
    modules = {_module(path) for path in paths if path.endswith(".py")}
    return sorted(
        path for path, imported in tests.items() if path in paths or imported & modules or _tested(path) in paths
    )


def imports(source: str) -> set[str]:
    """Return the dotted names of all modules imported by a source, at any place in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _tested(path: str) -> str:
    """Return the path of the module with the name of a test file."""
    inside = PurePosixPath(path).relative_to("tests")
    return str(inside.with_name(inside.name.removeprefix("test_")))


def _git(*arguments: str) -> Iterator[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return (line for line in done.stdout.splitlines() if line)


def main() -> None:
    base = next(_git("merge-base", "HEAD", os.environ.get("BASE", "main")))
    changed = [*_git("diff", "--name-only", base), *_git("ls-files", "--others", "--exclude-standard")]
    tests = {
        path.relative_to(ROOT).as_posix(): imports(path.read_text())
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
    }
    print(" ".join(touched(changed, tests)))


if __name__ == "__main__":
    main()
