"""The files that a run of the long tests collects."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running.long_files import check_long_tests_are_found, may_have_long_tests


@pytest.mark.parametrize(
    ("text", "may_have"),
    [
        ("@pytest.mark.long\ndef test_a(): ...", True),
        ("pytestmark = [pytest.mark.network, pytest.mark.long]", True),
        ("@pytest.mark.sampled(2)", True),
        ("from tests.end_to_end.stack import LOCK_KINDS", True),
        ('"""Not long."""\ndef test_a(): ...', False),
    ],
)
def test_a_file_says_that_it_has_long_tests(text: str, may_have: bool, tmp_path: Path) -> None:
    file = tmp_path / "test_a.py"
    file.write_text(text, "utf-8")
    assert may_have_long_tests(file) is may_have


def test_a_long_test_in_a_file_that_does_not_say_so_is_refused(request: pytest.FixtureRequest) -> None:
    class Unseen:
        nodeid = "tests/test_a.py::test_b"
        path = Path(__file__).with_name("certificates.py")

        def get_closest_marker(self, name: str) -> object:
            return name == "long"

    with pytest.raises(pytest.UsageError, match="test_b is long"):
        check_long_tests_are_found([Unseen()])  # type: ignore[list-item]
    check_long_tests_are_found([request.node])
    Unseen.nodeid = "tests/interop/test_a.py::test_b"
    check_long_tests_are_found([Unseen()])  # type: ignore[list-item]
