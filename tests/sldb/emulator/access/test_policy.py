"""The policy language, case by case."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.emulator.access.policy import Ground, Request, UnknownElement, check, decide, judge, matches

GET = Request("s3:GetObject", "arn:aws:s3:::b/k", {"s3:prefix": ("a/b",), "aws:tagkeys": ("x", "y")})


def allows(request: Request = GET, **statement: Any) -> bool:
    whole = {"Effect": "Allow", "Action": "*", "Resource": "*", **statement}
    return decide([{"Statement": [whole]}], request) == "allow"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "", True),
        ("s3:Get*", "s3:GetObject", True),
        ("s3:Get?bject", "s3:GetObject", True),
        ("s3:Get?", "s3:Get", False),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("a*c", "a/b/c", True),
        ("a*", "a\nb", True),
    ],
)
def test_patterns(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


@given(st.text())
def test_star_covers_everything_and_text_without_wildcards_itself(text: str) -> None:
    assert matches("*", text)
    literal = text.replace("*", "").replace("?", "")
    assert matches(literal, literal)
    assert not matches(literal, literal + "x")


def test_actions_ignore_case_and_resources_do_not() -> None:
    assert allows(Action="S3:getobject")
    assert not allows(Resource="arn:aws:s3:::B/k")


def test_exclusions() -> None:
    statement = {"Effect": "Allow", "NotAction": "s3:Delete*", "NotResource": "arn:aws:s3:::other/*"}
    assert decide([{"Statement": statement}], GET) == "allow"
    assert decide([{"Statement": {**statement, "NotAction": "s3:Get*"}}], GET) == "silent"


def test_no_document_is_silent_and_deny_wins() -> None:
    assert decide([], GET) == "silent"
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    assert decide([{"Statement": [statement, {**statement, "Effect": "Deny"}]}], GET) == "deny"


def test_a_verdict_rests_on_each_pair_of_patterns_that_covers_the_request() -> None:
    documents = [
        {"Statement": {"Sid": "Other", "Effect": "Allow", "Action": "s3:Put*", "Resource": "*"}},
        {
            "Statement": [
                {
                    "Sid": "Read",
                    "Effect": "Allow",
                    "Action": ["s3:GetObject", "s3:PutObject", "S3:get*"],
                    "Resource": ["arn:aws:s3:::b/*", "arn:aws:s3:::c/*"],
                },
                {"Sid": "Spare", "Effect": "Deny", "Action": "s3:*", "NotResource": ["*/k", "*/l"]},
                {"Sid": "Put", "Effect": "Deny", "Action": "s3:Put*", "NotResource": "*/k"},
            ]
        },
    ]
    assert judge(documents, GET).grounds == (
        (1, Ground("Read", "s3:GetObject", "arn:aws:s3:::b/*")),
        (1, Ground("Read", "S3:get*", "arn:aws:s3:::b/*")),
        (1, Ground("Spare", "s3:*", "*/k")),
    )


def test_a_verdict_rests_on_no_exclusion_from_a_denial_whose_condition_fails() -> None:
    denial = {
        "Effect": "Deny",
        "Action": "*",
        "NotResource": GET.resource,
        "Condition": {"StringEquals": {"s3:prefix": "x"}},
    }
    statements = [denial, {"Effect": "Allow", "Action": "*", "Resource": "*"}]
    assert judge([{"Statement": statements}], GET).grounds == ((0, Ground("", "*", "*")),)


patterns = st.sampled_from(["*", "s3:*", "s3:Get*", "s3:PutObject", "arn:*", "arn:aws:s3:::b/k", "arn:aws:s3:::other"])
some = st.lists(patterns, min_size=1, max_size=3)
statements = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": some, "Resource": some},
    optional={"Condition": st.just({"Null": {"s3:prefix": "true"}})},
)


@given(st.lists(st.lists(statements, max_size=4).map(lambda found: {"Statement": found}), max_size=3))
def test_a_verdict_has_grounds_if_and_only_if_it_allows(documents: list[Any]) -> None:
    verdict = judge(documents, GET)
    assert bool(verdict.grounds) == (verdict.decision == "allow")
    for position, ground in verdict.grounds:
        alone = {"Effect": "Allow", "Action": ground.action, "Resource": ground.resource}
        assert decide([{"Statement": alone}], GET) == "allow"
        assert any(ground.action in each["Action"] for each in documents[position]["Statement"])


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"StringEquals": {"s3:prefix": "a/b"}}, True),
        ({"StringEquals": {"S3:Prefix": ["x", "a/b"]}}, True),
        ({"StringEquals": {"s3:prefix": "a/*"}}, False),
        ({"StringLike": {"s3:prefix": "a/*"}}, True),
        ({"StringNotEquals": {"s3:prefix": "a/b"}}, False),
        ({"StringNotLike": {"s3:prefix": "z*"}}, True),
        ({"StringEquals": {"s3:delimiter": "/"}}, False),
        ({"StringEqualsIfExists": {"s3:delimiter": "/"}}, True),
        ({"StringNotEquals": {"s3:delimiter": "/"}}, True),
        ({"Null": {"s3:delimiter": "true"}}, True),
        ({"Null": {"s3:prefix": True}}, False),
        ({"Null": {"s3:prefix": "false"}}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["x", "y", "z"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["x"]}}, False),
        ({"ForAllValues:StringEquals": {"s3:delimiter": ["x"]}}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["x"]}}, True),
        ({"StringLike": {"s3:prefix": "a*"}, "Null": {"s3:prefix": "true"}}, False),
    ],
)
def test_conditions(condition: Any, expected: bool) -> None:
    assert allows(Condition=condition) is expected


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ({"Principal": "*"}, "allow"),
        ({"Principal": {"AWS": "*"}}, "allow"),
        ({"Principal": {"AWS": ["arn:other", "arn:me"]}}, "allow"),
        ({"Principal": {"Service": "lambda.amazonaws.com"}}, "silent"),
        ({"NotPrincipal": {"AWS": "arn:me"}}, "silent"),
        ({}, "silent"),
    ],
)
def test_principals(principal: Any, expected: str) -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", **principal}
    assert decide([{"Statement": statement}], GET, ["arn:me"]) == expected


def test_unknown_operator_is_refused() -> None:
    document = {"Statement": {"Effect": "Deny", "Action": "*", "Condition": {"DateLessThan": {"aws:x": "1"}}}}
    with pytest.raises(UnknownElement, match="DateLessThan"):
        check(document)
