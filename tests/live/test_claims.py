"""Each sentence of the documentation about something that is not verified on AWS has a check, and each check a
sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.claims import CLAIMS, marked, unmarked
from live.options import OPTIONS

ROOT = Path(__file__).parents[2]
PAGES = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")))


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_each_unverified_sentence_has_the_id_of_a_check(page: Path) -> None:
    """Write `<!-- live: ID -->` behind it, and the id into live/claims.py."""
    assert unmarked(page) == []


def test_the_ids_of_the_pages_are_those_of_the_claims() -> None:
    assert set().union(*map(marked, PAGES)) == set(CLAIMS)


def test_each_claim_has_either_a_check_or_a_reason() -> None:
    checked = [claim for option in OPTIONS for claim in option.checks]
    assert sorted(checked) == sorted(claim for claim, why in CLAIMS.items() if not why)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("**Not verified on AWS:** the mounts.", True),
        ("All of it is untested on AWS itself.", True),
        ("Nothing was measured on AWS.", True),
        ("Not verified on AWS. <!-- live: http -->", False),
        ("The test `pages/test_unverified.py` is no sentence.", False),
        ("Unverified pages are not used.", True),
    ],
)
def test_the_words_of_such_a_sentence(text: str, is_one: bool, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"A paragraph.\n\n{text}\n", "utf-8")
    assert bool(unmarked(page)) == is_one
