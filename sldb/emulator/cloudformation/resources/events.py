"""AWS::Events::Rule."""

from __future__ import annotations

from sldb.emulator.calls.errors import NotEmulated
from sldb.emulator.cloudformation.resources.base import Cloud, Existing, New, Properties, ResourceType, with_actual

_RULE = ("Description", "ScheduleExpression", "State")


class Rule(ResourceType):
    properties = frozenset({"Name", "Targets", "Tags", *_RULE})
    replaces = frozenset({"Name"})
    named_by = "Name"

    def create(self, new: New) -> None:
        if not str(new.properties.get("ScheduleExpression", "")).startswith("rate("):
            raise NotEmulated("a rule without ScheduleExpression rate(...)")
        name = new.properties.get("Name") or new.name()
        self._put(new.cloud, name, new.properties)
        new.made(name)
        self._bring_targets(new.cloud, name, {}, new.properties)
        self._tag(new.existing(name), new.properties)

    def update(self, it: Existing, wanted: Properties) -> None:
        self._put(it.cloud, it.physical_id, wanted)
        self._bring_targets(it.cloud, it.physical_id, it.properties, wanted)
        self._tag(it, wanted)

    def delete(self, it: Existing) -> None:
        try:
            self._bring_targets(it.cloud, it.physical_id, it.properties, {})
            it.cloud.call("events", "DeleteRule", Name=it.physical_id)
        except it.cloud.client("events").exceptions.ResourceNotFoundException:
            pass

    def actual(self, it: Existing) -> Properties | None:
        try:
            found = it.cloud.call("events", "DescribeRule", Name=it.physical_id)
        except it.cloud.client("events").exceptions.ResourceNotFoundException:
            return None
        ids = {each["Id"] for each in it.cloud.call("events", "ListTargetsByRule", Rule=it.physical_id)["Targets"]}
        targets = [target for target in it.properties.get("Targets", []) if target["Id"] in ids]
        return with_actual(it.properties, {"State": found["State"], "Targets": targets})

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"Arn": it.cloud.call("events", "DescribeRule", Name=it.physical_id)["Arn"]}

    def _put(self, cloud: Cloud, name: str, properties: Properties) -> None:
        cloud.call("events", "PutRule", Name=name, **{key: properties[key] for key in _RULE if key in properties})

    def _tag(self, it: Existing, wanted: Properties) -> None:
        old, new = it.properties.get("Tags", []), wanted.get("Tags", [])
        if old == new:
            return
        arn = self.attributes(it)["Arn"]
        if gone := [tag["Key"] for tag in old if tag not in new]:
            it.cloud.call("events", "UntagResource", ResourceARN=arn, TagKeys=gone)
        if new:
            it.cloud.call("events", "TagResource", ResourceARN=arn, Tags=new)

    def _bring_targets(self, cloud: Cloud, name: str, old: Properties, new: Properties) -> None:
        wanted = list(new.get("Targets", []))
        kept = {target["Id"] for target in wanted}
        gone = [target["Id"] for target in old.get("Targets", []) if target["Id"] not in kept]
        if gone:
            cloud.call("events", "RemoveTargets", Rule=name, Ids=gone)
        if wanted:
            cloud.call("events", "PutTargets", Rule=name, Targets=wanted)
