"""By addresses that the function signs: tried again, renewed, and never trusted to be whole."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from lambda_handlers.wire import Action, SldbError
from sldb.aws.http import HttpReply
from sldb.client import Client
from sldb.push_pull.presigned import TRIES, PresignedTransport
from sldb.push_pull.transport import FileVanished
from tests.fakes.stores.scripted_s3 import SECRETS, refused


class Signing:
    """The function, as far as it signs addresses."""

    name = "lambda:test"

    def __init__(self) -> None:
        self.asked: list[Action] = []
        self.has_addresses = True

    def act(self, action: Action) -> dict[str, Any]:
        self.asked.append(action)
        names = action.arguments.get("parts") or action.arguments["files"]
        urls = [f"https://s3/{name}?{len(self.asked)}" for name in names] if self.has_addresses else None
        return {"urls": urls, "seconds": 900}


class Wire:
    """Answers by plan, the last one for ever."""

    def __init__(self, *answers: HttpReply | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.slept: list[float] = []

    def exchange(self, verb: str, url: str, body: bytes, headers: Any) -> HttpReply:
        self.asked.append((verb, url, body, dict(headers)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


PART = f"00001-{hashlib.md5(b'body', usedforsecurity=False).hexdigest()}"
SLOW_DOWN = refused(503, "SlowDown").body


def reply(status: int, body: bytes = b"") -> HttpReply:
    return HttpReply(status, {}, body)


@pytest.fixture
def signing() -> Signing:
    return Signing()


def transport(signing: Signing, wire: Wire) -> PresignedTransport:
    return PresignedTransport(Client(signing), wire.exchange, wire.slept.append)  # type: ignore[arg-type]


def test_a_part_goes_with_its_md5(signing):
    wire = Wire(reply(200))
    transport(signing, wire).put("0" * 16, PART, b"body")
    ((verb, url, body, headers),) = wire.asked
    assert (verb, url, body) == ("PUT", f"https://s3/{PART}?1", b"body")
    assert base64.b64decode(headers["Content-MD5"]) == hashlib.md5(b"body", usedforsecurity=False).digest()
    assert signing.asked[0].arguments == {"parts": [PART], "upload": "0" * 16}


@pytest.mark.parametrize("failure", [reply(500), reply(503), reply(403), OSError("no answer")], ids=str)
def test_what_may_pass_is_tried_again(signing, failure):
    wire = Wire(failure, failure, reply(200))
    transport(signing, wire).put("0" * 16, PART, b"body")
    assert len(wire.asked) == 3
    assert wire.slept == sorted(wire.slept)
    assert len({url for _, url, _, _ in wire.asked}) == 3  # each by a new address


def test_in_the_end_it_is_an_error_that_says_how_to_go_on(signing):
    wire = Wire(reply(503, SLOW_DOWN))
    with pytest.raises(SldbError, match="S3 answered 503 Service Unavailable, SlowDown") as caught:
        transport(signing, wire).put("0" * 16, PART, b"body")
    assert (caught.value.code, len(wire.asked)) == ("store_error", TRIES)
    assert "continues" in caught.value.hint
    assert "https" not in caught.value.message  # whoever has the address may use it


@pytest.mark.parametrize("verb", ["put", "read"])
@pytest.mark.parametrize("status", [400, 405, 411, 413, 501])
def test_what_is_refused_for_good_is_told_at_once(signing, status, verb):
    wire = Wire(reply(status, SLOW_DOWN.replace(b"SlowDown", b"InvalidRequest")))
    with pytest.raises(SldbError) as caught:
        transport(signing, wire).put("0" * 16, PART, b"body") if verb == "put" else transport(signing, wire).read(
            "f", 0, 1
        )
    assert (len(wire.asked), wire.slept) == (1, [])
    assert "InvalidRequest" in caught.value.message
    assert not any(secret in caught.value.message for secret in SECRETS)
    assert caught.value.details.get("applied") == ("no" if verb == "put" else None)


def test_a_file_is_read_by_ranges_of_one_address(signing):
    wire = Wire(reply(206, b"abc"))
    one = transport(signing, wire)
    assert one.read("0000/x.ltx", 5, 3) == b"abc"
    assert one.read("0000/x.ltx", 8, 3) == b"abc"
    assert [headers["Range"] for *_, headers in wire.asked] == ["bytes=5-7", "bytes=8-10"]
    assert len(signing.asked) == 1


def test_an_address_that_has_ended_is_renewed(signing):
    wire = Wire(reply(403), reply(206, b"abc"))
    assert transport(signing, wire).read("0000/x.ltx", 0, 3) == b"abc"
    assert len(signing.asked) == 2


def test_who_knows_no_ranges_gives_all_of_it(signing):
    assert transport(signing, Wire(reply(200, b"0123456789"))).read("0000/x.ltx", 4, 3) == b"456"


def test_less_than_was_asked_for_is_damage(signing):
    with pytest.raises(SldbError, match="got 2 bytes") as caught:
        transport(signing, Wire(reply(206, b"ab"))).read("0000/x.ltx", 0, 3)
    assert caught.value.code == "corrupt"


def test_a_file_that_is_gone(signing):
    with pytest.raises(FileVanished):
        transport(signing, Wire(reply(404))).read("0000/x.ltx", 0, 3)


def test_a_store_without_addresses(signing):
    signing.has_addresses = False
    with pytest.raises(SldbError, match="cannot sign URLs"):
        transport(signing, Wire(reply(200))).put("0" * 16, PART, b"body")
