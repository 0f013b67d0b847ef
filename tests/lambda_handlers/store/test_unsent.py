"""A request that never left was not applied, whichever client should have sent it and for whatever reason it could not
leave; one that left and had no answer may have been."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from obstore.exceptions import GenericError

from lambda_handlers.aws.connections import Unreached
from lambda_handlers.aws.ec2 import Ambiguous, Ec2Client
from lambda_handlers.service import Service
from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.store import s3 as s3_store
from lambda_handlers.store import s3_requests
from lambda_handlers.store.protocol import PART_BYTES, ObjectStore, StoreError, Unavailable
from lambda_handlers.store.s3_requests import S3Requests
from lambda_handlers.store.s3_retries import S3Error
from tests.fakes.network.no_answer import SILENCE, UNSENT, Environment, listening
from tests.fakes.stores.scripted_s3 import BUCKET, SECRETS, refused, serve_s3

KEYS = Credentials("k", "s")


@pytest.fixture
def listen() -> Iterator[Callable[..., int]]:
    with listening() as listen:
        yield listen


Verb = Callable[[ObjectStore], object]
VERBS: dict[str, Verb] = {
    "get": lambda store: store.get("a"),
    "get_range": lambda store: store.get_range("a", 0, 4),
    "size": lambda store: store.size("a"),
    "list_objects": lambda store: list(store.list_objects("")),
    "put": lambda store: store.put("a", b"x"),
    "create": lambda store: store.create("a", b"x"),
    "create_from": lambda store: store.create_from("a", iter([bytes(PART_BYTES), b"end"])),
    "replace": lambda store: store.replace("a", b"x", '"tag"'),
    "delete": lambda store: store.delete("a"),
}


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (s3_store, s3_requests):
        monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(s3_store, "RETRIES", 0)


def settings_of(environment: Environment) -> Settings:
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    return Settings.from_environment({"SLDB_STORE": "s3://b/p", **keys, **environment})


def failure(environment: Environment, verb: str) -> StoreError:
    with closing(s3_store.open_s3(settings_of(environment), "b", "p")) as store, pytest.raises(StoreError) as caught:
        VERBS[verb](store)
    assert type(caught.value) is Unavailable  # another try may fare better
    assert "127.0.0.1" not in str(caught.value)  # no address
    return caught.value


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("reason", UNSENT)
def test_what_never_left_the_store_made_nothing_of(reason: str, verb: str, listen: Callable[..., int]) -> None:
    error = failure(UNSENT[reason](listen), verb)
    assert error.is_unmade
    assert "no connection" in str(error)
    assert "network" in error.hint


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "create_from"])
@pytest.mark.parametrize("reason", SILENCE)
def test_what_left_and_had_no_answer_the_store_may_have_done(
    reason: str, verb: str, listen: Callable[..., int]
) -> None:
    assert not failure(SILENCE[reason](listen), verb).is_unmade


REFUSALS = [
    (403, "AccessDenied", "rights"),
    (403, "RequestTimeTooSkewed", "clock"),
    (403, "SignatureDoesNotMatch", "credentials"),
    (400, "ExpiredToken", "credentials"),
    (400, "AuthorizationHeaderMalformed", "region"),
    (400, "KMS.DisabledException", "KMS key"),
    (400, "InvalidDigest", "bucket"),
    (400, "", "bucket"),
    (404, "NoSuchBucket", "bucket"),
    (301, "PermanentRedirect", "region"),
]


@pytest.mark.parametrize("lock", ["none", "s3"])
@pytest.mark.parametrize("call", ["", "GET", "CREATE"])
@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize(("status", "code", "hint"), REFUSALS)
def test_what_s3_refuses_is_not_applied(
    status: int, code: str, hint: str, is_warm: bool, call: str, lock: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By every write, whatever is refused of what it asks for. A warm one asks for nothing before its create."""
    with serve_s3() as s3:
        settings = settings_of({"AWS_ENDPOINT_URL": s3.url, "SLDB_LOCK": lock, "SLDB_STORE": f"s3://{BUCKET}/p"})
        service = Service(settings)
        if is_warm:
            assert service.handle({"query": "CREATE TABLE t (a)"})["statusCode"] == 200
        s3.script = lambda ask: refused(status, code) if call in ("", ask.call) else None
        reply = service.handle({"query": "CREATE TABLE u (a)"})
        s3.script = lambda ask: None
        tables = service.handle({"query": "SELECT name FROM sqlite_schema WHERE name = 'u'"})
        service.close()

    if is_warm and call == "GET":
        assert (reply["statusCode"], tables["body"]["rows"]) == (200, [["u"]])
        return
    error = reply["body"]["error"]
    # Refused, and what came of it cannot be read back.
    is_open = is_warm and (call, lock) == ("", "none")
    assert (error["code"], error["applied"]) == ("store_error", "unknown" if is_open else "no")
    assert ("sent again" if is_open else hint) in error["hint"]
    assert code in error["message"]
    assert not any(secret in error["message"] for secret in SECRETS)  # no address, no XML
    assert tables["body"]["rows"] == []


@pytest.mark.parametrize("reason", [*UNSENT, *SILENCE])
def test_our_own_requests_tell_as_well(reason: str, listen: Callable[..., int]) -> None:
    environment = {**UNSENT, **SILENCE}[reason](listen)
    settings = settings_of(environment)
    requests = S3Requests(settings.region, KEYS, "b", "p", settings.s3_bucket("b"))
    with closing(requests), pytest.raises(S3Error) as caught:
        requests.send("POST", "a", [("uploadId", "1")], b"", {"if-none-match": "*"}, expects="ETag")
    assert caught.value.may_be_applied == (reason in SILENCE)
    assert caught.value.failure.was_sent == (reason in SILENCE)


@pytest.mark.parametrize("reason", [*UNSENT, *SILENCE])
def test_so_do_those_to_ec2(reason: str, listen: Callable[..., int]) -> None:
    settings = settings_of({**UNSENT, **SILENCE}[reason](listen))
    client = Ec2Client(settings.region, KEYS, settings.ec2)
    with pytest.raises(Ambiguous) as caught:
        client.create_security_group("g", "d", None, {})
    client.close()
    assert isinstance(caught.value.__cause__, Unreached) == (reason in UNSENT)


@pytest.mark.parametrize("error", [GenericError("no such certificate"), OSError("too many open files")])
def test_a_client_that_cannot_be_made_leaves_a_write_in_no_doubt(error: Exception) -> None:
    """The error itself is raised, at once: as a StoreError it would be an answer to a request that was sent."""
    tries: list[int] = []

    def fail(retries: int) -> None:
        tries.append(retries)
        raise error

    with pytest.raises(type(error)) as caught:
        s3_store.ObstoreStore(fail).create("a", b"x")

    assert (caught.value, tries) == (error, [0])
