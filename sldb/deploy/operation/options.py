"""The parameters of a stack's operation, from the options of `sldb deploy`. Pure.

`--alarms` takes a mail address, for which the stack has a topic of its own, or the ARN of an existing topic.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from lambda_handlers.wire import SldbError
from sldb.did_you_mean import suggestion

NONE = "none"  # as the value of an option: removes it
METRICS = ("auto", "stack", "databases")

# As in the template; a test compares them.
OPERATION_DEFAULTS = {
    "AlarmMail": "",
    "AlarmTopic": "",
    "Metrics": "auto",
    "Dashboard": "false",
    "Tracing": "false",
    "ReservedConcurrency": "",
    "ProvisionedConcurrency": "",
}
NEAR_TIMEOUT = 0.9  # of the time limit
MIN_RESERVED_WITH_QUEUE, MAX_RESERVED = 5, 10_000  # invocations at a time
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:(?P<region>[a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}")


@dataclass(frozen=True, slots=True)
class OperationChoices:
    """The options on the command line; None leaves a parameter as it is."""

    alarms: str | None = None  # a mail address, the ARN of a topic, or NONE
    metrics: str | None = None  # one of METRICS
    dashboard: bool | None = None
    tracing: bool | None = None
    reserved_concurrency: str | None = None  # a number, or NONE
    provisioned_concurrency: str | None = None  # likewise

    def parameters(self) -> dict[str, str]:
        """Return the given parameters."""
        values: dict[str, str] = {}
        if self.alarms is not None:
            told = "" if self.alarms.lower() == NONE else self.alarms
            is_topic = told.startswith("arn:")
            values.update(AlarmMail="" if is_topic else told, AlarmTopic=told if is_topic else "")
        if self.metrics is not None:
            values["Metrics"] = self.metrics
        if self.dashboard is not None:
            values["Dashboard"] = str(self.dashboard).lower()
        if self.tracing is not None:
            values["Tracing"] = str(self.tracing).lower()
        if self.reserved_concurrency is not None:
            given = self.reserved_concurrency
            values["ReservedConcurrency"] = "" if given.lower() == NONE else given
        if self.provisioned_concurrency is not None:
            given = self.provisioned_concurrency
            values["ProvisionedConcurrency"] = "" if given.lower() == NONE else given
        return values


def computed(values: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that follow from others."""
    return {"AlarmDurationMs": str(int(int(values["Timeout"]) * 1000 * NEAR_TIMEOUT))}


def has_alarms(values: Mapping[str, str]) -> bool:
    """Return whether a stack has alarms, by its parameters."""
    return bool(values.get("AlarmMail") or values.get("AlarmTopic"))


def has_metrics(values: Mapping[str, str]) -> bool:
    """Return whether the functions write metrics, by the parameters of a stack."""
    has_users = has_alarms(values) or values.get("Dashboard") == "true"
    return has_users or values.get("Metrics", "auto") != "auto"


def check_operation(values: Mapping[str, str]) -> None:
    """Raise `bad_request` for a parameter that AWS would refuse."""
    mail, topic, metrics = values["AlarmMail"], values["AlarmTopic"], values["Metrics"]
    if mail and not _MAIL.fullmatch(mail):
        raise _bad("--alarms", mail, f"a mail address, the ARN of a topic of SNS, or {NONE}")
    if topic and (not _TOPIC.fullmatch(topic) or topic.endswith(".fifo")):
        raise _bad("--alarms", topic, "the ARN of a standard topic of SNS in the stack's region")
    if metrics not in METRICS:
        message = f"--metrics: got {metrics!r}, want one of {', '.join(METRICS)}"
        raise SldbError("bad_request", message, suggestion(metrics, METRICS))
    _check_reserved(values["ReservedConcurrency"], has_queue=values.get("Queue", NONE) != NONE)
    _check_provisioned(values["ProvisionedConcurrency"], values["ReservedConcurrency"])


def check_topic_region(values: Mapping[str, str], region: str) -> None:
    """Raise `bad_request` for a topic in another region: CloudWatch refuses it, in the middle of a deployment."""
    topic = values.get("AlarmTopic", "")
    found = _TOPIC.fullmatch(topic)
    if found and found["region"] != region:
        raise _bad("--alarms", topic, f"a topic in {region}, where the alarms are")


def _check_reserved(text: str, *, has_queue: bool) -> None:
    """Raise `bad_request` for a number that Lambda refuses, or with which a queue's polling would be throttled: Lambda
    advises 5 at least ("Configuring scaling behavior for SQS event source mappings")."""
    low = MIN_RESERVED_WITH_QUEUE if has_queue else 1
    if text and not (text.isdigit() and low <= int(text) <= MAX_RESERVED):
        want = f"{low} to {MAX_RESERVED} invocations at a time, or {NONE}"
        raise _bad("--reserved-concurrency", text, want + (" (the stack has a queue)" if has_queue else ""))


def _check_provisioned(text: str, reserved: str) -> None:
    """Raise `bad_request` for a number that Lambda refuses: provisioned containers are among the reserved ones."""
    if text and not (text.isdigit() and 1 <= int(text) <= int(reserved or MAX_RESERVED)):
        of = f" (--reserved-concurrency {reserved})" if reserved else ""
        want = f"1 to {reserved or MAX_RESERVED} containers, or {NONE}"
        raise _bad("--provisioned-concurrency", text, want + of)


def release_of(
    template: str, parameters: Mapping[str, str], previous: Mapping[str, str], again: str = ""
) -> dict[str, str]:
    """Return the parameter Release, if the template has it: another one for another template or other parameters; ""
    without an alias.

    A version of a function is a copy of the function at its publication: with the same Release, the alias would go on
    with the code and settings of before. `again`: a text for another one all the same, after a repair.
    """
    if "Release" not in parameters or not parameters["ProvisionedConcurrency"]:
        return {name: "" for name in ("Release",) if name in parameters}
    rest = sorted((name, value) for name, value in parameters.items() if name != "Release")
    digest = hashlib.sha256(json.dumps([template, rest]).encode()).hexdigest()[:16]
    before = previous.get("Release", "")
    same = before if before.partition("-")[0] == digest else digest
    return {"Release": f"{digest}-{again}" if again else same}


def _bad(option: str, value: str, want: str) -> SldbError:
    return SldbError("bad_request", f"{option}: got {value!r}, want {want}")
