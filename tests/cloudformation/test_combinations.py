"""What holds in every combination of the options: no reference to what is not there, and CloudFormation's limits.

The limits: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html; of policies:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html; of environments:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.deploy.template import MAX_BYTES, template_path
from tests.cloudformation.combinations import ABSENT, Combinations
from tests.security.templates import combinations, suppressed_by_checkov

FOUND = combinations()
RESOURCES = FOUND.template["Resources"]
LONGEST_REASON_NEEDED = 20  # characters: less is no reason


def references(
    value: Any, path: tuple[tuple[str, bool], ...] = ()
) -> Iterator[tuple[str, tuple[tuple[str, bool], ...]]]:
    """Yield the resources that a value names, each with the conditions of the branches that it stands in."""
    if isinstance(value, list):
        for item in value:
            yield from references(item, path)
    elif isinstance(value, dict):
        for function, argument in value.items():
            if function == "Fn::If":
                yield from references(argument[1], (*path, (argument[0], True)))
                yield from references(argument[2], (*path, (argument[0], False)))
            elif function == "Ref" and argument in RESOURCES:
                yield argument, path
            elif function == "Fn::GetAtt":
                yield (argument.split(".")[0] if isinstance(argument, str) else argument[0]), path
            elif function == "Fn::Sub":
                yield from ((name, path) for name in _named_in(argument))
                yield from references(argument[1] if isinstance(argument, list) else {}, path)
            else:
                yield from references(argument, path)


def _named_in(argument: Any) -> Iterator[str]:
    text, given = (argument, {}) if isinstance(argument, str) else argument
    for part in text.split("${")[1:]:
        name = part.partition("}")[0].partition(".")[0]
        if name in RESOURCES and name not in given:
            yield name


def dangling(found: Combinations) -> Iterator[str]:
    """Yield the references that lead nowhere in some combination."""
    sections = {
        **found.template["Resources"],
        **{f"output {name}": each for name, each in found.template["Outputs"].items()},
    }
    for name, each in sections.items():
        needed = [*references({key: part for key, part in each.items() if key not in ("Condition", "DependsOn")})]
        depends = each.get("DependsOn", [])
        needed += [(other, ()) for other in ([depends] if isinstance(depends, str) else depends)]
        for other, path in needed:
            condition = found.template["Resources"][other].get("Condition")
            if condition is None:
                continue
            here = [*path, *([(each["Condition"], True)] if "Condition" in each else [])]
            for assignment in found.assignments([condition, *(each for each, _ in here)]):
                is_here = all(found.truth(each, assignment) is wanted for each, wanted in here)
                if is_here and not found.truth(condition, assignment):
                    yield f"{name} names {other}, which is not there with {assignment}"
                    break


def test_no_reference_leads_to_what_is_not_there() -> None:
    assert list(dangling(FOUND)) == []


def test_a_reference_to_what_is_not_there_is_found() -> None:
    resources = {
        **RESOURCES,
        "Always": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "ReadFunction"}}},
        "Waits": {"Type": "AWS::SNS::Topic", "DependsOn": "ReadRole"},
        "Sometimes": {
            "Type": "AWS::SNS::Topic",
            "Properties": {"DisplayName": {"Fn::If": ["HasReaders", {"Fn::Sub": "${ReadFunction}"}, "none"]}},
        },
    }
    found = [line.split(",")[0] for line in dangling(Combinations({**FOUND.template, "Resources": resources}))]
    assert found == ["Always names ReadFunction", "Waits names ReadRole"]


def test_the_template_as_a_whole_is_within_the_limits_and_so_is_every_part_of_it() -> None:
    template = FOUND.template
    assert len(RESOURCES) <= 500
    assert len(template["Parameters"]) <= 200
    assert len(template["Outputs"]) <= 200
    assert len(template_path().read_bytes()) <= MAX_BYTES
    assert len(template["Description"]) <= 1024
    names = [*RESOURCES, *template["Parameters"], *template["Outputs"]]
    assert all(name.isalnum() and len(name) <= 255 for name in names)
    for parameter in template["Parameters"].values():
        assert len(str(parameter.get("Default", ""))) <= 4096


def size(resource: str, *keys: str) -> int:
    """Return the most that a property can take, with the longest names, whatever is chosen."""
    value: Any = RESOURCES[resource]["Properties"]
    for key in keys:
        value = value[key]
    return _length(longest(value))


def longest(value: Any) -> Any:
    """Return the value with the longer outcome of each choice, also where two do not go together."""
    if isinstance(value, list):
        return [item for item in map(longest, value) if item is not ABSENT]
    if not isinstance(value, dict):
        return value
    if "Fn::If" in value:
        return max(map(longest, value["Fn::If"][1:]), key=lambda each: 0 if each is ABSENT else _length(each))
    if value == {"Ref": "AWS::NoValue"}:
        return ABSENT
    return {name: found for name, member in value.items() if (found := longest(member)) is not ABSENT}


def _length(value: Any) -> int:
    return len(json.dumps(FOUND.resolve(value, LONGEST), separators=(",", ":")))


LONGEST = {
    **FOUND.values,
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "ap-southeast-99",
    "AWS::StackName": "s" * 32,
    "AWS::URLSuffix": "amazonaws.com.cn",
    "FunctionName": "f" * 50,
    "DeadlockFixFunctionName": "f" * 64,
    "DataBucket": "b" * 63,
    "ExistingBucket": "b" * 63,
}


@pytest.mark.parametrize("role", [name for name, each in RESOURCES.items() if "Policies" in each["Properties"]])
def test_the_policies_of_a_role_fit_into_it(role: str) -> None:
    assert size(role, "Policies") <= 10_240


def test_the_policy_of_the_bucket_fits() -> None:
    assert size("DataBucketPolicy", "PolicyDocument") <= 20_480


@pytest.mark.parametrize(
    "function", [name for name, each in RESOURCES.items() if each["Type"] == "AWS::Lambda::Function"]
)
def test_the_environment_of_a_function_fits(function: str) -> None:
    room_for_lists = 1_000  # of tags and of origins, which users choose
    assert size(function, "Environment", "Variables") <= 4_096 - room_for_lists


def test_every_pair_of_values_and_every_choice_is_covered() -> None:
    whole = FOUND.covering()
    assert len(whole) <= 40  # few enough for checkers
    for one, one_value in ((name, value) for name, values in FOUND.domains.items() for value in values):
        for other, other_value in ((name, value) for name, values in FOUND.domains.items() for value in values):
            if one != other:
                assert any(each[one] == one_value and each[other] == other_value for each in whole)
    for part in FOUND.parts:
        for form in FOUND.forms_of(part):
            assert any(
                all(FOUND.truth(each, assignment) for each in part.conditions)
                and repr(FOUND.resolve(part.value, assignment)) == form
                for assignment in whole
            )


@given(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in FOUND.domains.items()}))
def test_a_rendered_template_is_one_without_conditions(assignment: dict[str, str]) -> None:
    rendered = FOUND.render(assignment)
    assert not {"Fn::If", "Condition"} & set(_keys_outside_policies(rendered["Resources"]))
    for name, each in RESOURCES.items():
        assert (name in rendered["Resources"]) is (
            "Condition" not in each or FOUND.truth(each["Condition"], assignment)
        )


def _keys_outside_policies(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield key
            if key not in ("PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy", "FileSystemPolicy"):
                yield from _keys_outside_policies(member)
    elif isinstance(value, list):
        for item in value:
            yield from _keys_outside_policies(item)


def test_every_suppression_has_its_reason() -> None:
    for name, resource in RESOURCES.items():
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", ()):
            assert len(skip["comment"]) > LONGEST_REASON_NEEDED, (name, skip)
    text = template_path().read_text("utf-8").splitlines()
    for number, line in enumerate(text):
        if line.strip() == "SuppressedRules:":
            assert text[number - 1].lstrip().startswith("#"), f"line {number + 1}: without a reason"
    assert len(suppressed_by_checkov(dict(FOUND.template))) > 0
