"""The combinations that are deployed have each pair of values that goes together, and each parameter of a condition."""

from __future__ import annotations

import pytest

from tests.cloudformation.combinations import Combinations
from tests.security.templates import combinations
from tests.sldb.deploy.pairs.options import VALUES, Combination, Facts, all_pairs, covering, few, refused_pairs

pytestmark = pytest.mark.long  # the search takes seconds

# Parameters of conditions without an option: they follow from what there is, and from `sldb migrate-storage`.
FOLLOW = {
    "BucketMade",
    "ExistingBucket",
    "ExistingFileSystem",
    "FormerKmsKeys",
    "KeepLockVpc",
    "KeyApiLogs",
    "Migration",
}


def test_each_pair_occurs_or_is_refused() -> None:
    found = covering()
    assert not [each.problem() for each in found if each.problem()]
    assert set().union(*(each.pairs for each in found)) == set(all_pairs()) - refused_pairs().keys()
    assert all("--storage efs" in reason for reason in refused_pairs().values())
    assert len(found) <= 40
    assert len(set().union(*(each.pairs for each in few()))) >= 0.8 * (len(all_pairs()) - len(refused_pairs()))


def test_the_options_give_each_parameter_of_a_condition_each_of_its_values() -> None:
    template: Combinations = combinations()
    given: dict[str, set[str]] = {}
    for name, values in VALUES.items():
        more = {"domain": {"token": "yes"}, "cors": {"token": "yes"}}.get(name, {})
        for value in values:
            for parameter, text in Combination.of(**more, **{name: value}).parameters().items():
                given.setdefault(parameter, set()).add(text)
    for parameter, values in template.domains.items():
        if parameter not in {*FOLLOW, "LockTags"}:
            assert len(given[parameter]) >= len(values), parameter


def test_the_words_of_a_combination_turn_everything_else_off() -> None:
    words = Combination.of().words(Facts())
    assert "none" in words
    assert {"--no-readers", "--no-tracing", "--untag"} <= set(words)
