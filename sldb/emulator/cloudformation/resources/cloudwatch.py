"""AWS::CloudWatch::Alarm (on one metric) and AWS::CloudWatch::Dashboard.

The physical id of both is the name. PutMetricAlarm replaces the whole alarm, and PutDashboard the whole dashboard; a
change of the name makes another.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from sldb.emulator.cloudformation.resources.base import Cloud, Existing, New, Properties, ResourceType, with_actual

_ALARM = (
    *("AlarmDescription", "Namespace", "MetricName", "Dimensions", "Statistic", "ExtendedStatistic", "Unit"),
    *("Period", "EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData"),
    *("ActionsEnabled", "AlarmActions", "OKActions", "InsufficientDataActions", "Tags"),
)
_COMPARED = ("Threshold", "Period", "EvaluationPeriods", "ComparisonOperator", "TreatMissingData", "AlarmActions")


class Alarm(ResourceType):
    properties = frozenset({"AlarmName", *_ALARM})
    replaces = frozenset({"AlarmName"})
    named_by = "AlarmName"

    def create(self, new: New) -> None:
        name = new.properties.get("AlarmName") or new.name(255)
        self._put(new.cloud, name, new.properties)
        new.made(name)

    def update(self, it: Existing, wanted: Properties) -> None:
        self._put(it.cloud, it.physical_id, wanted)
        # PutMetricAlarm leaves the tags of an existing alarm as they are.
        arn, old, new = self.attributes(it)["Arn"], it.properties.get("Tags", []), wanted.get("Tags", [])
        if gone := [tag["Key"] for tag in old if tag not in new]:
            it.cloud.call("cloudwatch", "UntagResource", ResourceARN=arn, TagKeys=gone)
        if new and new != old:
            it.cloud.call("cloudwatch", "TagResource", ResourceARN=arn, Tags=new)

    def delete(self, it: Existing) -> None:
        it.cloud.call("cloudwatch", "DeleteAlarms", AlarmNames=[it.physical_id])

    def actual(self, it: Existing) -> Properties | None:
        found = self._find(it)
        return None if found is None else with_actual(it.properties, {name: found.get(name) for name in _COMPARED})

    def attributes(self, it: Existing) -> dict[str, str]:
        found = self._find(it)
        return {"Arn": found["AlarmArn"]} if found else {}

    def _put(self, cloud: Cloud, name: str, properties: Properties) -> None:
        cloud.call(
            "cloudwatch",
            "PutMetricAlarm",
            AlarmName=name,
            **{key: properties[key] for key in _ALARM if key in properties},
        )

    def _find(self, it: Existing) -> Any:
        found = it.cloud.call("cloudwatch", "DescribeAlarms", AlarmNames=[it.physical_id])["MetricAlarms"]
        return found[0] if found else None


class Dashboard(ResourceType):
    properties = frozenset({"DashboardName", "DashboardBody"})
    replaces = frozenset({"DashboardName"})
    named_by = "DashboardName"

    def create(self, new: New) -> None:
        name = new.properties.get("DashboardName") or new.name(255)
        new.cloud.call("cloudwatch", "PutDashboard", DashboardName=name, DashboardBody=new.properties["DashboardBody"])
        new.made(name)

    def update(self, it: Existing, wanted: Properties) -> None:
        it.cloud.call("cloudwatch", "PutDashboard", DashboardName=it.physical_id, DashboardBody=wanted["DashboardBody"])

    def delete(self, it: Existing) -> None:
        try:
            it.cloud.call("cloudwatch", "DeleteDashboards", DashboardNames=[it.physical_id])
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("ResourceNotFound", "ResourceNotFoundException"):
                raise

    def actual(self, it: Existing) -> Properties | None:
        try:
            body = it.cloud.call("cloudwatch", "GetDashboard", DashboardName=it.physical_id)["DashboardBody"]
        except ClientError as error:
            if error.response["Error"]["Code"] in ("ResourceNotFound", "ResourceNotFoundException"):
                return None
            raise
        same = json.loads(body) == json.loads(it.properties["DashboardBody"])
        return it.properties if same else {**it.properties, "DashboardBody": body}
