"""The order of a batch, whatever mix of databases and groups it has."""

from __future__ import annotations

import json
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.queue.message import Message, decode
from lambda_handlers.queue.order import Stopped, segments


def message(
    number: int, database: str = "main", group: str | None = None, receives: int = 1, tries: int = 0
) -> Message:
    attributes = {"ApproximateReceiveCount": str(receives), **({"MessageGroupId": group} if group else {})}
    body = json.dumps({"query": "SELECT 1", "database": database})
    return decode({"messageId": str(number), "attributes": attributes, "body": body}, "test-db", tries)


PLACES = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from([None, "g", "h"])), max_size=20)


@given(PLACES)
def test_each_message_is_in_one_segment_behind_those_that_precede_it(places: list[tuple[str, str | None]]) -> None:
    messages = [message(number, database, group) for number, (database, group) in enumerate(places)]
    found = segments(messages)
    ordered = [one for segment in found for one in segment]
    assert sorted(ordered, key=messages.index) == messages
    assert all(len({one.database for one in segment}) == 1 for segment in found)
    for key in (lambda one: ("database", one.database), lambda one: ("group", one.group)):
        for one in {key(each) for each in messages} - {("group", None)}:
            assert [each for each in ordered if key(each) == one] == [each for each in messages if key(each) == one]


@given(PLACES)
def test_without_groups_or_with_a_group_a_database_there_is_one_segment_for_each(places: list[tuple[str, str]]) -> None:
    for grouped in (False, True):
        messages = [message(n, database, database if grouped else None) for n, (database, _) in enumerate(places)]
        assert len(segments(messages)) == len({database for database, _ in places})


def test_a_group_of_two_databases_takes_a_segment_for_each_change() -> None:
    found = segments([message(n, database, "g") for n, database in enumerate("aabba")])
    assert [segment[0].database for segment in found] == ["a", "b", "a"]
    assert [len(list(run)) for _, run in groupby("aabba")] == [len(segment) for segment in found]


@pytest.mark.parametrize(
    ("receives", "tries", "holds"), [(1, 0, True), (9, 0, True), (2, 3, True), (3, 3, False), (4, 3, False)]
)
def test_a_failure_stops_its_group_unless_it_was_the_last_try(receives: int, tries: int, holds: bool) -> None:
    stopped = Stopped()
    stopped.note_failure(message(1, group="g", receives=receives, tries=tries))
    assert stopped.holds(message(2, group="g")) is holds
    assert not stopped.holds(message(3, group="h"))
    assert not stopped.holds(message(4))


def test_what_was_not_tried_stops_its_group_at_any_try() -> None:
    stopped = Stopped()
    stopped.note_untried(message(1, group="g", receives=9, tries=3))
    assert stopped.holds(message(2, group="g"))
