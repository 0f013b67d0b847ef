"""The mutation runner: checks that a test fails for each invariant removed from the code.

    python -m tests.mutants [part of a name …]

Each mutation is applied to a copy of the sources, in which its tests run until the first fails. A mutant *survived* if
none did. First of all the same tests run on the unchanged copy, where none may fail.

Exit status 0: all were killed; 1: some survived; 2: nothing could be tried.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.mutant import INVARIANTS, Mutant
from tests.mutants.table import MUTANTS

ROOT = Path(__file__).parents[2]
COPIED = ("lambda_handlers", "sldb", "tests", "cloudformation", "pyproject.toml", "README.md")
AT_ONCE = 2
LONGEST_SECONDS = 120
# Tests whose clock is the machine's might fail because it is busy, and a mutant seem killed.
QUICK = ("-m", "not network", "-k", "not (test_contract and (moto or vpc))")
PASSED, FAILED = 0, 1  # pytest's exit statuses; any other means that no test was run


def main(wanted: Sequence[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if not wanted or any(part in mutant.name for part in wanted)]
    if not chosen:
        print(f"no mutant has any of {', '.join(wanted)} in its name")
        return 2
    print(f"{len(chosen)} mutants; first their tests on the code as it is", flush=True)
    with _copies(AT_ONCE) as copies:
        every = sorted({test for mutant in chosen for test in mutant.tests})
        if _run(copies[0], every, 1800, expected=(PASSED,)) != PASSED:
            print("they fail without any mutation: nothing can be said")
            return 2
        idle: SimpleQueue[Path] = SimpleQueue()
        for copy in copies:
            idle.put(copy)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            survived = [
                mutant
                for mutant, verdict in zip(chosen, pool.map(lambda m: _try(m, idle), chosen), strict=True)
                if not verdict
            ]
    return _summary(chosen, survived)


def _summary(chosen: Sequence[Mutant], survived: Sequence[Mutant]) -> int:
    made, left = Counter(each.invariant for each in chosen), Counter(each.invariant for each in survived)
    print("\n| invariant | mutants | killed |\n|---|---|---|")
    for key, what in INVARIANTS.items():
        print(f"| {key}: {what} | {made[key]} | {made[key] - left[key]} |")
    for mutant in survived:
        print(f"SURVIVED {mutant.name} ({mutant.path})")
    print(f"{len(chosen) - len(survived)} of {len(chosen)} killed")
    return 1 if survived else 0


def _try(mutant: Mutant, idle: SimpleQueue[Path]) -> bool:
    """Return True if a test failed."""
    copy, started = idle.get(), time.monotonic()
    path = copy / mutant.path
    source = path.read_text()
    try:
        path.write_text(mutated(source, mutant))
        status = _run(copy, mutant.tests, LONGEST_SECONDS)
    finally:
        path.write_text(source)
        idle.put(copy)
    verdict = {PASSED: "SURVIVED", FAILED: "killed", None: "killed (does not end)"}.get(status, f"BROKEN ({status})")
    print(f"{verdict:10} {mutant.invariant:5} {mutant.name} ({time.monotonic() - started:.1f} s)", flush=True)
    return verdict.startswith("killed")


def mutated(source: str, mutant: Mutant) -> str:
    assert source.count(mutant.before) == 1, (
        f"{mutant.name}: found {source.count(mutant.before)} times in {mutant.path}"
    )
    return source.replace(mutant.before, mutant.after)


def _run(copy: Path, tests: Sequence[str], seconds: float, expected: Sequence[int] = (PASSED, FAILED)) -> int | None:
    """Run the tests and return pytest's exit status; None if it does not end."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *QUICK]
    try:
        done = subprocess.run(
            [*command, *tests], cwd=copy, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode not in expected:
        print(done.stdout[-2000:], done.stderr[-2000:])
    return done.returncode


@contextmanager
def _copies(count: int) -> Iterator[list[Path]]:
    with tempfile.TemporaryDirectory(prefix="sldb-mutants-") as directory:
        copies = [Path(directory) / str(number) for number in range(count)]
        for copy in copies:
            for name in COPIED:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy2(ROOT / name, copy / name)
        yield copies


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
