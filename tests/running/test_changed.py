"""Which test files a change touches."""

from __future__ import annotations

import pytest

from tests.running.changed import imports, touched

TESTS = {
    "tests/sldb/render/test_caret.py": {"sldb.render.caret"},
    "tests/sldb/render/test_table.py": {"pytest", "sldb.render", "sldb.render.table"},
    "tests/end_to_end/test_faults.py": {"tests.fakes.aws.moto_server"},
}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["sldb/render/caret.py"], ["tests/sldb/render/test_caret.py"]),
        (["sldb/render/__init__.py"], ["tests/sldb/render/test_table.py"]),
        (["tests/fakes/aws/moto_server.py", "README.md"], ["tests/end_to_end/test_faults.py"]),
        (["tests/end_to_end/test_faults.py"], ["tests/end_to_end/test_faults.py"]),
        (["docs/storage.md"], []),
    ],
)
def test_touched(changed: list[str], expected: list[str]) -> None:
    assert touched(changed, TESTS) == expected


def test_a_test_file_with_the_name_of_a_module_imports_it_or_not() -> None:
    assert touched(["sldb/render/caret.py"], {"tests/sldb/render/test_caret.py": set()})


def test_imports_wherever_they_stand() -> None:
    source = "import a.b\ndef f():\n    from c import d as e\n"
    assert imports(source) == {"a.b", "c", "c.d"}
