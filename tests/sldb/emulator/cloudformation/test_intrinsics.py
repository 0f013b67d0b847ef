"""What intrinsic functions come to, and what they refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.cloudformation.intrinsics import NO_VALUE, Reference, evaluate, references
from sldb.emulator.cloudformation.template import load, parameter_values


@dataclass(frozen=True)
class Names:
    refs: Mapping[str, Any] = field(
        default_factory=lambda: {"Bucket": "b-1", "List": ["x", "y"], "Number": "5", "AWS::NoValue": NO_VALUE}
    )
    conditions: Mapping[str, bool] = field(default_factory=lambda: {"Yes": True, "No": False})

    def ref(self, name: str) -> Any:
        return self.refs[name]

    def attribute(self, name: str, attribute: str) -> Any:
        return f"{name}/{attribute}"

    def condition(self, name: str) -> bool:
        return self.conditions[name]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        ({"Ref": "Bucket"}, "b-1"),
        ({"Fn::GetAtt": ["Role", "Arn"]}, "Role/Arn"),
        ({"Fn::GetAtt": "Role.Arn.More"}, "Role/Arn.More"),
        ({"Fn::Sub": "a-${Bucket}-${Role.Arn}-${!Literal}"}, "a-b-1-Role/Arn-${Literal}"),
        ({"Fn::Sub": ["${Own}-${Bucket}", {"Own": {"Ref": "Number"}}]}, "5-b-1"),
        ({"Fn::Join": [":", ["a", {"Ref": "Bucket"}, 3]]}, "a:b-1:3"),
        ({"Fn::Join": ["", {"Ref": "List"}]}, "xy"),
        ({"Fn::Select": ["1", {"Fn::Split": ["/", "a/b/c"]}]}, "b"),
        ({"Fn::If": ["Yes", {"Ref": "Bucket"}, "other"]}, "b-1"),
        ({"Fn::If": ["No", {"Ref": "NotThere"}, {"a": 1}]}, {"a": 1}),
        ({"Fn::Equals": [{"Ref": "Number"}, 5]}, True),
        ({"Fn::And": [{"Condition": "Yes"}, {"Fn::Not": [{"Condition": "No"}]}]}, True),
        ({"Fn::Or": [{"Condition": "No"}, {"Fn::Equals": ["a", "b"]}]}, False),
        ({"Keep": 1, "Drop": {"Ref": "AWS::NoValue"}}, {"Keep": 1}),
        (["a", {"Fn::If": ["No", "b", {"Ref": "AWS::NoValue"}]}], ["a"]),
        ({"Condition": {"Bool": {"x": "y"}}}, {"Condition": {"Bool": {"x": "y"}}}),
    ],
)
def test_value(value: Any, expected: Any) -> None:
    assert evaluate(value, Names()) == expected


def test_unknown_function_is_refused() -> None:
    with pytest.raises(NotEmulated, match="Fn::ImportValue"):
        evaluate({"Fn::ImportValue": "x"}, Names())


def test_references_of_every_kind() -> None:
    value = {
        "a": {"Ref": "A"},
        "b": [{"Fn::GetAtt": "B.Arn"}],
        "c": {"Fn::Sub": "${C}-${D.Arn}-${!X}"},
        "d": {"Fn::Sub": ["${Own}-${E}", {"Own": {"Ref": "F"}}]},
        "e": {"Fn::If": ["Cond", {"Ref": "G"}, {"Ref": "H"}]},
    }
    names = [Reference("A"), Reference("B", "Arn"), Reference("C"), Reference("D", "Arn"), Reference("F")]
    assert list(references(value)) == [*names, Reference("E"), Reference("G"), Reference("H")]


YAML = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Kind: {Type: String, Default: a, AllowedValues: [a, b]}
  Name: {Type: String, AllowedPattern: "[a-z]+"}
Conditions:
  IsB: !Equals [!Ref Kind, b]
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: []}
  Group:
    Type: AWS::Logs::LogGroup
    DependsOn: Role
    Condition: IsB
    Properties:
      LogGroupName: !Sub "${Name}-${Role.Arn}"
      Tags: [{Key: k, Value: !GetAtt Role.Arn}, {Key: l, Value: !If [IsB, !Ref Name, !Ref "AWS::NoValue"]}]
"""


def test_yaml_with_short_forms() -> None:
    template = load(YAML)
    properties = template.properties_of("Group")
    assert properties["LogGroupName"] == {"Fn::Sub": "${Name}-${Role.Arn}"}
    assert properties["Tags"][0]["Value"] == {"Fn::GetAtt": ["Role", "Arn"]}
    assert template.properties_of("Role")["AssumeRolePolicyDocument"]["Version"] == "2012-10-17"
    assert template.order.index("Role") < template.order.index("Group")


def test_parameters_given_as_before_and_by_default() -> None:
    template = load(YAML)
    given = [{"ParameterKey": "Name", "UsePreviousValue": True}]
    assert parameter_values(template, given, {"Name": "old"}) == {"Kind": "a", "Name": "old"}
    with pytest.raises(AwsError, match="Cannot specify usePreviousValue as true for a new parameter"):
        parameter_values(template, given, {})
    with pytest.raises(AwsError, match=r"Parameters: \[Name\] must have values"):
        parameter_values(template, [], {"Name": "old"})
    for name, value in (("Kind", "c"), ("Name", "A1")):
        with pytest.raises(AwsError, match=name):
            parameter_values(
                template,
                [{"ParameterKey": "Name", "ParameterValue": "n"}, {"ParameterKey": name, "ParameterValue": value}],
                {},
            )


@pytest.mark.parametrize("text", ["", "[]", "Resources: {}", "a: [", "{"])
def test_no_template(text: str) -> None:
    with pytest.raises(AwsError, match="Template format error"):
        load(text)
