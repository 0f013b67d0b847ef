"""Tags of stages, domain names and APIs; in stacks: `tests/sldb/emulator/cloudformation/test_http_apis.py`."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="module")
def gateway(account: Any) -> Any:
    return account.client("apigatewayv2")


def test_tags_are_added_and_taken_away(gateway: Any) -> None:
    api = gateway.create_api(Name="a", ProtocolType="HTTP", Tags={"a": "1"})["ApiId"]
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True, Tags={"a": "1"})
    gateway.create_stage(ApiId=api, StageName="bare", AutoDeploy=True)
    root = f"arn:aws:apigateway:{gateway.meta.region_name}::/apis/{api}"
    for arn, first in ((root, {"a": "1"}), (f"{root}/stages/$default", {"a": "1"}), (f"{root}/stages/bare", {})):
        assert gateway.get_tags(ResourceArn=arn)["Tags"] == first
        gateway.tag_resource(ResourceArn=arn, Tags={"b c": "2", "d": "3", "e": "4"})
        gateway.untag_resource(ResourceArn=arn, TagKeys=["b c", "e", "none"])
        assert gateway.get_tags(ResourceArn=arn)["Tags"] == {**first, "d": "3"}
    assert gateway.get_stage(ApiId=api, StageName="bare")["Tags"] == {"d": "3"}


def test_a_stage_that_does_not_exist_has_none(gateway: Any) -> None:
    api = gateway.create_api(Name="a", ProtocolType="HTTP")["ApiId"]
    arn = f"arn:aws:apigateway:{gateway.meta.region_name}::/apis/{api}/stages/none"
    with pytest.raises(gateway.exceptions.NotFoundException):
        gateway.tag_resource(ResourceArn=arn, Tags={"a": "1"})
