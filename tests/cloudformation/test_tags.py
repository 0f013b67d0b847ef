"""The tags of the stack, and so those of `--tags`: each type of resource that can have tags gets them."""

from __future__ import annotations

import pytest

from sldb.emulator.cloudformation.resources import TYPES
from tests.access.test_policies import schema_of, types_of_the_template

UNTAGGED = (
    "AWS::CloudWatch::Dashboard",
    "AWS::Lambda::EventSourceMapping",
)  # in the emulator: moto has no tags of them


@pytest.mark.parametrize("resource_type", types_of_the_template())
def test_a_type_that_can_have_tags_gets_those_of_the_stack(resource_type: str) -> None:
    """CloudFormation's schemas say which can ("tagging"); it passes tags of stacks on to them ("Resource tag")."""
    tagging = schema_of(resource_type).get("tagging", {})
    handler = TYPES[resource_type]
    if tagging.get("taggable", False):
        name = tagging["tagProperty"].removeprefix("/properties/")
        assert (name == handler.tags_property and name in handler.properties) or resource_type in UNTAGGED
    else:
        assert handler.tags_property not in handler.properties
        assert resource_type not in UNTAGGED
