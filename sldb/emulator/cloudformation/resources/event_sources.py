"""AWS::Lambda::EventSourceMapping. Its physical id is its UUID."""

from __future__ import annotations

from botocore.exceptions import ClientError

from sldb.emulator.cloudformation.resources.base import Existing, New, Properties, ResourceType, with_actual

_SETTINGS = ("BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes", "ScalingConfig", "Enabled")


class EventSourceMapping(ResourceType):
    properties = frozenset({"EventSourceArn", "FunctionName", "Tags", *_SETTINGS})
    replaces = frozenset({"EventSourceArn"})

    def create(self, new: New) -> None:
        given = {name: value for name, value in new.properties.items() if name != "Tags"}
        new.made(new.cloud.call("lambda", "CreateEventSourceMapping", **given)["UUID"])

    def update(self, it: Existing, wanted: Properties) -> None:
        settings = {name: wanted[name] for name in ("FunctionName", *_SETTINGS) if name in wanted}
        if "ScalingConfig" in it.properties and "ScalingConfig" not in wanted:
            settings["ScalingConfig"] = {}
        it.cloud.call("lambda", "UpdateEventSourceMapping", UUID=it.physical_id, **settings)

    def delete(self, it: Existing) -> None:
        if self.actual(it) is not None:
            it.cloud.call("lambda", "DeleteEventSourceMapping", UUID=it.physical_id)

    def actual(self, it: Existing) -> Properties | None:
        try:
            found = it.cloud.call("lambda", "GetEventSourceMapping", UUID=it.physical_id)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise
        settings = {name: found[name] for name in ("BatchSize", "MaximumBatchingWindowInSeconds")}
        return with_actual(it.properties, {**settings, "Enabled": found["State"] == "Enabled"})

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"Id": it.physical_id}
