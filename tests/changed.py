"""The test files that a change touches: `make test ONLY=changed`.

A change is what differs from the branch `main` (another one: BASE=…), committed or not. It touches a test file that is
itself changed, has the name of a changed module, or imports one. That is the part to run while one writes; a module may
break tests that know it only by way of others, for which there is `make test`.
"""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]


def touched(changed: Iterable[str], tests: dict[str, set[str]]) -> list[str]:
    """Return the test files that a change of `changed` touches. `tests`: the modules that each imports."""
    paths = set(changed)
    modules = {_module(path) for path in paths if path.endswith(".py")}
    return sorted(
        path for path, imported in tests.items() if path in paths or imported & modules or _tested(path) in paths
    )


def imports(source: str) -> set[str]:
    """Return the dotted names of all modules that a source may import, wherever the import stands."""
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
    """Return the path of the module of which a test file has the name."""
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
