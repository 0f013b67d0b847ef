"""What is stated about a suite holds in both directions."""

from __future__ import annotations

import pytest

from tests.interop.public_suites import SUITES, Outcomes, check, read_report, stated

REPORT = """<testsuites><testsuite>
<testcase classname="suite.JSONTest_sqlite+sldb_3_54_1" name="test_a[x]" />
<testcase classname="suite.Plain" name="test_b"><skipped /></testcase>
<testcase classname="suite.Plain" name="test_c"><failure /></testcase>
<testcase classname="suite.Plain" name="test_d"><error /></testcase>
</testsuite></testsuites>"""


def test_names_have_no_versions() -> None:
    outcomes = read_report(REPORT, "output")
    assert outcomes == Outcomes(
        frozenset({"JSONTest::test_a[x]"}),
        frozenset({"Plain::test_b"}),
        frozenset({"Plain::test_c", "Plain::test_d"}),
        "output",
    )


def test_what_fails_is_stated_and_what_is_stated_fails() -> None:
    outcomes = Outcomes(frozenset({"a"}), frozenset(), frozenset({"b"}), "")
    check(outcomes, frozenset({"b"}), is_sample=False)
    check(outcomes, frozenset({"b", "not in the sample"}), is_sample=True)
    for expected in ([], ["a", "b"], ["b", "gone"]):
        with pytest.raises(AssertionError, match="stated"):
            check(outcomes, frozenset(expected), is_sample=False)


def test_every_stated_name_has_a_reason() -> None:
    for path in (SUITES / "stated").glob("*.txt"):
        assert path.read_text().startswith("# ")
        assert stated(path.stem)
