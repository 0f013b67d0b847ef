"""EC2's Query API: the three calls of the security-group lock, signed and sent without boto3.

Importing boto3 and making a client costs half a second of a cold start; this costs nothing until the first call, which
imports http.client, ssl and the XML parser.

One call is one request: nothing is sent twice here, because a create that was applied and then sent again meets its own
group as `Duplicate`. The errors, by which the lock decides:

    Duplicate   refused: a group of this name exists in the VPC
    NotFound    refused: there is no such group (or EC2 does not show it yet)
    Throttled   refused: too many calls; not applied
    Refused     refused for another reason (rights, quota, VPC): `code` and `message` are EC2's
    Ambiguous   no answer, an incomplete answer or 5xx: only another call shows whether it was applied
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlencode, urlsplit

from lambda_handlers.aws.connections import NoAnswer, Unreached
from lambda_handlers.aws.ec2_connections import CALL_SECONDS, connections_to
from lambda_handlers.aws.sigv4 import sign
from lambda_handlers.settings import Credentials
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.shared.endpoints import Endpoint
from lambda_handlers.store_clock import StoreClock

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

API_VERSION = "2016-11-15"
SERVICE = "ec2"
CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"

# Most of these come with 503: only the code distinguishes a rejected call from one that failed half-way.
THROTTLES = frozenset(
    {
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "RequestThrottled",
        "EC2ThrottledException",
        "TooManyRequestsException",
    }
)


# The place in a message from which on it may name roles, accounts or resources, as in "not authorized" messages.
_PARTICULARS = re.compile(r"User:|arn:|Encoded authorization|https?://|\b\d{12}\b")


class Ec2Error(Exception):
    """An error of EC2, or the reason for a missing answer. Its text is fit for a reply; `detail` is the full one, for
    the log."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = _PARTICULARS.split(message, maxsplit=1)[0].strip()[:300]
        self.detail = f"{code}: {message}"
        super().__init__(f"{code}: {self.message}".rstrip(": "))


class Duplicate(Ec2Error):
    """A group of this name exists in the VPC: perhaps the caller's own."""


class NotFound(Ec2Error):
    """The group does not exist, or EC2 does not show it yet: EC2 is eventually consistent."""


class Throttled(Ec2Error):
    """Too many calls of this account in this region; not applied."""


class Refused(Ec2Error):
    """A definite refusal: another try will not change it."""


class Ambiguous(Ec2Error):
    """The answer is missing or unusable: the call was applied, or not, or will be in a moment."""


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    group_id: str
    name: str
    tags: Mapping[str, str]


class Ec2(Protocol):
    """The three calls. `timeout` is in seconds and bounds the wait for an answer."""

    def create_security_group(
        self, name: str, description: str, vpc_id: str | None, tags: Mapping[str, str], timeout: float = CALL_SECONDS
    ) -> str:
        """Make the group with its tags, atomically; return its id. Raises Duplicate, Throttled, Refused, Ambiguous."""

    def describe_security_groups(
        self, filters: Mapping[str, str], timeout: float = CALL_SECONDS
    ) -> list[SecurityGroup]:
        """Return the groups that match all filters, if EC2 shows them. Raises Throttled, Refused, Ambiguous."""

    def delete_security_group(self, group_id: str, timeout: float = CALL_SECONDS) -> None:
        """Remove the group. Raises NotFound, Throttled, Refused, Ambiguous."""


class Ec2Client:
    """The calls over HTTP. Safe for threads: each call has a connection to itself."""

    def __init__(
        self,
        region: str,
        credentials: Credentials,
        endpoint: Endpoint,
        now: Callable[[], float] = time.time,
        clock: StoreClock | None = None,  # of the store: all of AWS counts as one clock
    ) -> None:
        self._path = urlsplit(endpoint.url).path or "/"
        self._region = region
        self._credentials = credentials
        self._now = now
        self._connections = connections_to(endpoint, now)
        self._clock = clock or StoreClock()

    def create_security_group(
        self, name: str, description: str, vpc_id: str | None, tags: Mapping[str, str], timeout: float = CALL_SECONDS
    ) -> str:
        reply = self._call("CreateSecurityGroup", create_parameters(name, description, vpc_id, tags), timeout)
        group_id = reply.findtext("{*}groupId")
        if not group_id:
            raise Ambiguous("NoGroupId", "CreateSecurityGroup answered without a group id")
        return group_id

    def describe_security_groups(
        self, filters: Mapping[str, str], timeout: float = CALL_SECONDS
    ) -> list[SecurityGroup]:
        groups: list[SecurityGroup] = []
        token: str | None = None
        while True:
            reply = self._call("DescribeSecurityGroups", describe_parameters(filters, token), timeout)
            groups.extend(_group(item) for item in reply.iterfind("{*}securityGroupInfo/{*}item"))
            token = reply.findtext("{*}nextToken")
            if not token:
                return groups

    def delete_security_group(self, group_id: str, timeout: float = CALL_SECONDS) -> None:
        self._call("DeleteSecurityGroup", [("GroupId", group_id)], timeout)

    def close(self) -> None:
        self._connections.close()

    def _call(self, action: str, parameters: Sequence[tuple[str, str]], timeout: float) -> Element:
        now = self._now()
        body = urlencode([("Action", action), ("Version", API_VERSION), *parameters], quote_via=quote).encode()
        headers = {"content-type": CONTENT_TYPE, "host": self._connections.host}
        sign(
            headers,
            body,
            service=SERVICE,
            region=self._region,
            credentials=self._credentials,
            now=now,
            path=self._path,
        )
        try:
            answer = self._connections.send("POST", self._path, body, headers, timeout)
        except Unreached as error:
            raise Ambiguous("Unreachable", str(error)) from error
        except NoAnswer as error:
            raise Ambiguous("NoAnswer", str(error)) from error
        self._note_time(answer.headers.get("date", ""), now)
        reply = _parse(answer.body)
        if 200 <= answer.status < 300:
            if reply is None:
                raise Ambiguous("Unreadable", f"{action} answered {answer.status} and no XML")
            return reply
        raise _error(answer.status, reply)

    def _note_time(self, date: str, sent_at: float) -> None:
        from email.utils import parsedate_to_datetime

        with suppress(ValueError, TypeError):  # the answer is valid without a date
            self._clock.observe_date(parsedate_to_datetime(date).timestamp(), sent_at)


def create_parameters(
    name: str, description: str, vpc_id: str | None, tags: Mapping[str, str]
) -> list[tuple[str, str]]:
    parameters = [("GroupName", name), ("GroupDescription", description)]
    if vpc_id is not None:
        parameters.append(("VpcId", vpc_id))
    parameters.append(("TagSpecification.1.ResourceType", "security-group"))
    for number, (key, value) in enumerate(tags.items(), 1):
        parameters.append((f"TagSpecification.1.Tag.{number}.Key", key))
        parameters.append((f"TagSpecification.1.Tag.{number}.Value", value))
    return parameters


def describe_parameters(filters: Mapping[str, str], token: str | None = None) -> list[tuple[str, str]]:
    parameters = []
    for number, (name, value) in enumerate(filters.items(), 1):
        parameters.append((f"Filter.{number}.Name", name))
        parameters.append((f"Filter.{number}.Value.1", value))
    if token:
        parameters.append(("NextToken", token))
    return parameters


def _parse(text: bytes) -> Element | None:
    from xml.etree.ElementTree import ParseError, fromstring

    try:
        return fromstring(text)  # nosec B314 - from EC2, over TLS
    except ParseError:
        return None


def _group(item: Element) -> SecurityGroup:
    tags = {tag.findtext("{*}key", ""): tag.findtext("{*}value", "") for tag in item.iterfind("{*}tagSet/{*}item")}
    return SecurityGroup(item.findtext("{*}groupId", ""), item.findtext("{*}groupName", ""), tags)


def _error(status: int, reply: Element | None) -> Ec2Error:
    code = message = ""
    if reply is not None:
        code = reply.findtext(".//{*}Code", "")
        message = reply.findtext(".//{*}Message", "")
    code, message = code or f"HTTP {status}", message or "no reason given"
    if code == "InvalidGroup.Duplicate":
        return Duplicate(code, message)
    if code in ("InvalidGroup.NotFound", "InvalidGroupId.Malformed"):
        return NotFound(code, message)
    if code in THROTTLES or status == 429:
        return Throttled(code, message)
    return Ambiguous(code, message) if status >= 500 else Refused(code, message)
