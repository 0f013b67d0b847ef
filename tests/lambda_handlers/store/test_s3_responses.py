"""What each of S3's answers means: every status that it documents, by every verb, over HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.store import s3 as s3_store
from lambda_handlers.store import s3_requests
from lambda_handlers.store.protocol import (
    PART_BYTES,
    AlreadyExists,
    CopyOf,
    NotFound,
    ObjectStore,
    PreconditionFailed,
    Refused,
    StoreError,
    Unavailable,
)
from tests.fakes.stores.scripted_s3 import BUCKET, DROPPED, SECRETS, Answer, Ask, ScriptedS3, refused, serve_s3

ERRORS: dict[str, type[StoreError]] = {
    "refused": Refused,
    "unknown": Unavailable,
    "absent": NotFound,
    "exists": AlreadyExists,
    "changed": PreconditionFailed,
}
# By the columns: GET; HEAD, which has no body and so no code; LIST; PUT; PUT If-None-Match; PUT If-Match; DELETE.
TABLE = """
301 PermanentRedirect               refused  refused  refused  refused  refused  refused  refused
304 -                               unknown  unknown  unknown  unknown  exists   unknown  unknown
307 TemporaryRedirect               refused  refused  refused  refused  refused  refused  refused
400 -                               refused  refused  refused  refused  refused  refused  refused
400 AuthorizationHeaderMalformed    refused  refused  refused  refused  refused  refused  refused
400 BadDigest                       unknown  refused  unknown  unknown  unknown  unknown  unknown
400 EntityTooLarge                  refused  refused  refused  refused  refused  refused  refused
400 ExpiredToken                    refused  refused  refused  refused  refused  refused  refused
400 IncompleteBody                  unknown  refused  unknown  unknown  unknown  unknown  unknown
400 InvalidArgument                 refused  refused  refused  refused  refused  refused  refused
400 InvalidRequest                  refused  refused  refused  refused  refused  refused  refused
400 KeyTooLongError                 refused  refused  refused  refused  refused  refused  refused
400 RequestTimeout                  unknown  refused  unknown  unknown  unknown  unknown  unknown
400 XAmzContentSHA256Mismatch       unknown  refused  unknown  unknown  unknown  unknown  unknown
401 -                               refused  refused  refused  refused  refused  refused  refused
403 AccessDenied                    refused  refused  refused  refused  refused  refused  refused
403 InvalidObjectState              refused  refused  refused  refused  refused  refused  refused
403 RequestTimeTooSkewed            refused  refused  refused  refused  refused  refused  refused
403 SignatureDoesNotMatch           refused  refused  refused  refused  refused  refused  refused
404 -                               absent   absent   unknown  unknown  unknown  absent   unknown
404 NoSuchBucket                    refused  absent   refused  refused  refused  refused  refused
404 NoSuchKey                       absent   absent   unknown  unknown  unknown  absent   unknown
405 MethodNotAllowed                refused  refused  refused  refused  refused  refused  refused
409 -                               unknown  unknown  unknown  unknown  exists   changed  unknown
409 ConditionalRequestConflict      unknown  unknown  unknown  unknown  exists   changed  unknown
409 InvalidBucketState              unknown  unknown  unknown  unknown  exists   changed  unknown
409 OperationAborted                unknown  unknown  unknown  unknown  exists   changed  unknown
411 MissingContentLength            refused  refused  refused  refused  refused  refused  refused
412 PreconditionFailed              unknown  unknown  unknown  unknown  exists   changed  unknown
413 -                               refused  refused  refused  refused  refused  refused  refused
416 InvalidRange                    unknown  unknown  unknown  unknown  unknown  unknown  unknown
429 TooManyRequests                 unknown  unknown  unknown  unknown  unknown  unknown  unknown
500 InternalError                   unknown  unknown  unknown  unknown  unknown  unknown  unknown
501 -                               refused  refused  refused  refused  refused  refused  refused
501 NotImplemented                  refused  refused  refused  refused  refused  refused  refused
502 -                               unknown  unknown  unknown  unknown  unknown  unknown  unknown
503 ServiceUnavailable              unknown  unknown  unknown  unknown  unknown  unknown  unknown
503 SlowDown                        unknown  unknown  unknown  unknown  unknown  unknown  unknown
504 -                               unknown  unknown  unknown  unknown  unknown  unknown  unknown
"""
ROWS = [line.split() for line in TABLE.split("\n") if line]
STATUSES = [(int(status), code.strip("-")) for status, code, *_ in ROWS]

Verb = Callable[[ObjectStore], object]
GET, HEAD, LIST, PUT, CREATE, REPLACE, DELETE = range(7)
VERBS: dict[str, tuple[int, Verb]] = {
    "get": (GET, lambda store: store.get("db/a")),
    "get_with_tag": (GET, lambda store: store.get_with_tag("db/a")),
    "get_range": (GET, lambda store: store.get_range("db/a", 0, 4)),
    "chunks": (GET, lambda store: list(store.chunks("db/a"))),
    "size": (HEAD, lambda store: store.size("db/a")),
    "list_objects": (LIST, lambda store: list(store.list_objects("db/"))),
    "list_directories": (LIST, lambda store: store.list_directories("")),
    "put": (PUT, lambda store: store.put("db/b", b"x")),
    "create": (CREATE, lambda store: store.create("db/b", b"x")),
    "create_from": (CREATE, lambda store: store.create_from("db/b", iter([b"x"]))),
    "replace": (REPLACE, lambda store: store.replace("db/a", b"x", '"tag"')),
    "delete": (DELETE, lambda store: store.delete("db/a")),
    "delete_many": (DELETE, lambda store: store.delete_many(["db/a", "db/b"])),
}


@pytest.fixture(scope="module")
def served() -> Iterator[ScriptedS3]:
    with serve_s3() as s3:
        yield s3


@pytest.fixture
def s3(served: ScriptedS3) -> ScriptedS3:
    served.script = lambda ask: None
    served.objects = {}
    served.asked = []
    return served


@pytest.fixture
def store(s3: ScriptedS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """One that loses no time between its tries."""
    monkeypatch.setattr(s3_store, "RETRIES", 1)
    monkeypatch.setattr(s3_store, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(s3_requests, "FIRST_PAUSE_SECONDS", 0.0)
    settings = Settings(f"s3://{BUCKET}/p", endpoint_url=s3.url, credentials=Credentials("k", "s"))
    store = s3_store.open_s3(settings, BUCKET, "p")  # as it is where the S3 is AWS's
    yield store
    store.close()


def test_what_is_closed_has_no_connections_and_may_be_asked_again(s3: ScriptedS3, store: ObjectStore) -> None:
    assert s3.wait_for_connections(0)  # tracebacks of other tests' errors may hold theirs a little longer
    for number in range(2):
        store.put("db/a", b"1")
        store.create(f"db/{number}", b"1")
        store.create_from(f"db/large-{number}", iter([bytes(PART_BYTES), b"end"]))
        assert s3.open_connections >= 3  # of reads, of conditional writes, of parts
        store.close()
        assert s3.wait_for_connections(0)


def is_fit_for_a_reply(error: StoreError) -> bool:
    return not any(secret in str(error) for secret in SECRETS)


@pytest.mark.sampled
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row[:2]))
def test_what_an_answer_means(s3: ScriptedS3, store: ObjectStore, row: list[str], verb: str) -> None:
    (status, code), (column, ask) = (int(row[0]), row[1].strip("-")), VERBS[verb]
    s3.script = lambda ask: refused(status, code)
    if verb == "get_range" and status == 416:  # the range begins behind the end, as a HEAD tells
        pytest.skip("another test's")
    with pytest.raises(StoreError) as caught:
        ask(store)

    assert type(caught.value) is ERRORS[row[2 + column]]
    assert is_fit_for_a_reply(caught.value)
    is_redirect = status in (301, 307)  # obstore does not tell which
    assert column == HEAD or not code or is_redirect or code in caught.value.detail
    assert not caught.value.is_unmade
    if type(caught.value) is Refused:
        assert caught.value.hint != StoreError.hint  # another try is no help


@pytest.mark.parametrize("verb", VERBS)
def test_no_answer_is_no_verdict(s3: ScriptedS3, store: ObjectStore, verb: str) -> None:
    s3.script = lambda ask: DROPPED
    with pytest.raises(Unavailable) as caught:
        VERBS[verb][1](store)

    assert is_fit_for_a_reply(caught.value)
    assert BUCKET in caught.value.detail  # the log has all of it


def test_a_range_behind_the_end_is_empty(s3: ScriptedS3, store: ObjectStore) -> None:
    store.put("db/a", b"1234")

    assert store.get_range("db/a", 4, 2) == b""
    assert store.get_range("db/a", 2, 9) == b"34"


def test_a_range_that_is_refused_within_the_object_is_no_end(s3: ScriptedS3, store: ObjectStore) -> None:
    store.put("db/a", b"1234")
    s3.script = lambda ask: refused(416, "InvalidRange") if ask.call == "GET" else None

    with pytest.raises(Unavailable):
        store.get_range("db/a", 2, 2)


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDenied", Refused), ("InternalError", Unavailable), ("SlowDown", Unavailable)]
)
def test_one_of_several_keys_that_was_not_deleted_is_an_error(
    s3: ScriptedS3, store: ObjectStore, code: str, error: type[StoreError]
) -> None:
    """S3 answers 200, and says of each key what became of it."""
    body = (
        "<DeleteResult><Deleted><Key>p/db/a</Key></Deleted><Error><Key>p/db/b</Key>"
        f"<Code>{code}</Code><Message>User: arn:aws:iam::123456789012:role/the-role</Message></Error></DeleteResult>"
    )
    s3.script = lambda ask: Answer(200, body.encode())
    with pytest.raises(error) as caught:
        store.delete_many(["db/a", "db/b"])

    assert is_fit_for_a_reply(caught.value)
    assert code in str(caught.value)


# Conditional writes: nothing below sends them twice, so that a second try knows of the first


@pytest.mark.parametrize("first", [DROPPED, refused(500, "InternalError"), refused(503, "SlowDown")])
@pytest.mark.parametrize("second", [(403, "AccessDenied"), (404, "NoSuchBucket"), (400, "ExpiredToken"), (404, "")])
@pytest.mark.parametrize("verb", ["create", "replace"])
def test_a_refusal_after_a_try_that_had_an_effect_is_no_verdict(
    s3: ScriptedS3, store: ObjectStore, first: Answer, second: tuple[int, str], verb: str
) -> None:
    answers = [first, refused(*second)]
    etag = store.put("db/a", b"old")

    def script(ask: object) -> Answer:
        if len(answers) == 2:
            ask.act()  # type: ignore[attr-defined]  # an Ask
        return answers.pop(0)

    s3.script = script
    with pytest.raises(StoreError) as caught:
        store.create("db/b", b"mine") if verb == "create" else store.replace("db/a", b"mine", etag)

    # A 404 says that what should be replaced is gone: whoever hears it looks again.
    assert type(caught.value) is (NotFound if (verb, second) == ("replace", (404, "")) else Unavailable)
    assert s3.objects["p/db/b" if verb == "create" else "p/db/a"][0] == b"mine"


@pytest.mark.parametrize("verb", ["create", "replace"])
def test_a_conflict_with_another_write_is_tried_again(s3: ScriptedS3, store: ObjectStore, verb: str) -> None:
    etag = store.put("db/a", b"old")
    answers: list[Answer | None] = [refused(409, "ConditionalRequestConflict"), None]
    s3.script = lambda ask: answers.pop(0)
    store.create("db/b", b"x") if verb == "create" else store.replace("db/a", b"x", etag)

    assert not answers


@pytest.mark.parametrize(
    "status", [status for status in STATUSES if status[0] in (401, 403, 405, 411, 413, 501)], ids=str
)
@pytest.mark.parametrize("verb", ["create", "replace"])
def test_a_definite_refusal_is_not_tried_again(
    s3: ScriptedS3, store: ObjectStore, verb: str, status: tuple[int, str]
) -> None:
    s3.script = lambda ask: refused(*status)
    with pytest.raises(Refused):
        VERBS[verb][1](store)

    assert len(s3.asked) == 1


def test_a_conditional_write_has_one_request_where_nothing_goes_wrong(s3: ScriptedS3, store: ObjectStore) -> None:
    etag = store.create("db/a", b"1")
    store.replace("db/a", b"2", etag)

    assert s3.calls == ["CREATE", "REPLACE"]


# Large objects

ABORT = ("ABORT", "")


@pytest.mark.sampled
@pytest.mark.parametrize("failing", [("BEGIN", ""), ("PART", "1"), ("COPY", "2")], ids=lambda failing: failing[0])
@pytest.mark.parametrize("status", STATUSES, ids=str)
def test_what_fails_before_the_completion_has_made_nothing(
    s3: ScriptedS3, store: ObjectStore, status: tuple[int, str], failing: tuple[str, str]
) -> None:
    store.put("db/source", bytes(PART_BYTES))
    s3.asked.clear()
    s3.script = lambda ask: refused(*status) if call_and_part(ask) == failing else None
    with pytest.raises(StoreError) as caught:
        store.assemble("db/b", [bytes(PART_BYTES), CopyOf("db/source", 0, PART_BYTES), b"end"])

    assert is_fit_for_a_reply(caught.value)
    assert "p/db/b" not in s3.objects
    passes = status[0] in (429, 500, 502, 503, 504) or status[1] in s3_store_passing()
    # Parts are under way together: the others are sent once, before or after the failure. The upload is then aborted.
    each = [failing] if failing[0] == "BEGIN" else [("BEGIN", ""), ("PART", "1"), ("COPY", "2"), ("PART", "3"), ABORT]
    tries = Counter(each) + Counter({failing: s3_requests.TRIES - 1 if passes else 0})
    assert Counter(map(call_and_part, s3.asked)) == tries
    assert call_and_part(s3.asked[-1]) == each[-1]
    if failing[0] == "COPY" and status[0] == 404 and status[1] != "NoSuchBucket":
        assert type(caught.value) is NotFound
        return
    assert caught.value.is_unmade
    is_definite = ROWS[STATUSES.index(status)][2 + PUT] == "refused"
    assert type(caught.value) is (Refused if is_definite else Unavailable)


def test_of_parts_that_all_fail_each_ends_with_the_try_under_way(s3: ScriptedS3, store: ObjectStore) -> None:
    s3.script = lambda ask: refused(503, "SlowDown") if ask.call == "PART" else None
    with pytest.raises(Unavailable) as caught:
        store.assemble("db/b", [bytes(PART_BYTES), bytes(PART_BYTES), b"end"])

    tries = Counter(ask.query["partNumber"] for ask in s3.asked if ask.call == "PART")
    assert caught.value.is_unmade
    assert tries["1"] == s3_requests.TRIES  # the first one's failure ends the others
    assert all(1 <= tries[number] <= s3_requests.TRIES for number in "23")
    assert (s3.calls.count("COMPLETE"), s3.calls[-1]) == (0, "ABORT")


def call_and_part(ask: Ask) -> tuple[str, str]:
    return ask.call, ask.query.get("partNumber", "")


def s3_store_passing() -> tuple[str, ...]:
    return ("BadDigest", "IncompleteBody", "OperationAborted", "RequestTimeout", "XAmzContentSHA256Mismatch")


@pytest.mark.parametrize("effect", [False, True], ids=["not applied", "applied"])
@pytest.mark.parametrize("status", [*STATUSES, (200, "InternalError"), (200, "AccessDenied"), (200, "")], ids=str)
def test_what_an_answer_to_a_completion_means(
    s3: ScriptedS3, store: ObjectStore, status: tuple[int, str], effect: bool
) -> None:
    """A completion that takes long answers 200 before it knows how it ends. With an effect it is repeated, and then
    meets its own object."""

    def script(ask: object) -> Answer | None:
        if ask.call != "COMPLETE":  # type: ignore[attr-defined]  # an Ask
            return None
        if effect:
            ask.act()  # type: ignore[attr-defined]  # an Ask
        return refused(*status)

    s3.script = script
    with pytest.raises(StoreError) as caught:
        store.create_from("db/b", iter([bytes(PART_BYTES), b"end"]))

    assert is_fit_for_a_reply(caught.value)
    assert not caught.value.is_unmade
    if status[0] == 200 or status[1] == "PermanentRedirect":
        want = Refused if status[1] in ("AccessDenied", "PermanentRedirect") else Unavailable
    else:
        want = ERRORS[ROWS[STATUSES.index(status)][2 + CREATE]]
    assert type(caught.value) is want
    assert s3.calls[-1] == "ABORT"
