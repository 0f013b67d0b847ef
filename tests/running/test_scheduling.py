"""What of the tests one worker runs."""

from __future__ import annotations

from pathlib import Path

from tests.running.scheduling import SLOW, SPREAD, TOGETHER, unit

ROOT = Path(__file__).parents[2]
FILES = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "tests").rglob("test_*.py")}


def test_a_file_is_one_workers_and_a_spread_one_is_not() -> None:
    assert unit("tests/test_docs.py::test_links[a::b]") == "tests/test_docs.py"
    assert unit("tests/simulation/test_bugs.py::test_a[x]") == "tests/simulation/test_bugs.py::test_a[x]"


def test_a_folder_with_one_stack_is_one_workers() -> None:
    assert {unit(f"{name}::test_a") for name in FILES if name.startswith("tests/end_to_end/")} == {"tests/end_to_end/"}


def test_the_fixtures_of_a_folder_end_with_it() -> None:
    """Without `__init__.py` pytest keeps a fixture of scope `package` until the run ends, beside all other tests."""
    assert all((ROOT / folder / "__init__.py").exists() for folder in TOGETHER)


def test_each_name_has_files() -> None:
    assert [name for name in (*SLOW, *SPREAD, *TOGETHER) if not any(path.startswith(name) for path in FILES)] == []


def test_no_file_that_is_spread_sets_up_something_for_its_module() -> None:
    spread = [path for name, path in FILES.items() if name.startswith(SPREAD)]
    for mark in ('scope="module"', 'scope="class"', "setup_module", "new_client"):
        assert [path.name for path in spread if mark in path.read_text("utf-8")] == []
