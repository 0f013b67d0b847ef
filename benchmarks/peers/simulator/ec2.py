"""EC2's three calls about security groups, as the locks use them: names are unique without regard to case."""

from __future__ import annotations

from itertools import count
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from benchmarks.peers.simulator.objects import Body, Bytes
from benchmarks.peers.simulator.s3 import XML, Answer

NAMESPACE = 'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"'


class Ec2:
    def __init__(self) -> None:
        self.groups: dict[str, dict[str, str]] = {}  # by id: the form that made it
        self._numbers = count(1)

    def answer(self, body: bytes) -> Answer:
        form = dict(parse_qsl(body.decode()))
        call = form["Action"]
        if call == "CreateSecurityGroup":
            return self._create(form)
        if call == "DeleteSecurityGroup":
            if self.groups.pop(form["GroupId"], None) is None:
                return _error("InvalidGroup.NotFound")
            return _reply(call, "<return>true</return>")
        wanted = {value for name, value in form.items() if name.startswith("Filter.") and ".Value." in name}
        groups = [item for item in self.groups.items() if item[1]["GroupName"] in wanted or not wanted]
        return _reply(call, f"<securityGroupInfo>{''.join(_item(*item) for item in groups)}</securityGroupInfo>")

    def _create(self, form: dict[str, str]) -> Answer:
        taken = {group["GroupName"].lower() for group in self.groups.values()}
        if form["GroupName"].lower() in taken:
            return _error("InvalidGroup.Duplicate")
        group_id = f"sg-{next(self._numbers):08x}"
        self.groups[group_id] = form
        return _reply("CreateSecurityGroup", f"<return>true</return><groupId>{group_id}</groupId>")


def _item(group_id: str, form: dict[str, str]) -> str:
    tags = "".join(
        f"<item><key>{escape(form[name])}</key><value>{escape(form[name[:-3] + 'Value'])}</value></item>"
        for name in form
        if ".Tag." in name and name.endswith(".Key")
    )
    return (
        f"<item><groupId>{group_id}</groupId><groupName>{escape(form['GroupName'])}</groupName>"
        f"<tagSet>{tags}</tagSet></item>"
    )


def _reply(call: str, content: str) -> Answer:
    return _answer(200, f"<{call}Response {NAMESPACE}><requestId>1</requestId>{content}</{call}Response>")


def _error(code: str) -> Answer:
    error = f"<Errors><Error><Code>{code}</Code><Message>{code}</Message></Error></Errors>"
    return _answer(400, f"<Response>{error}<RequestID>1</RequestID></Response>")


def _answer(status: int, text: str) -> Answer:
    return Answer(status, Body((Bytes(text.encode()),)), XML)
