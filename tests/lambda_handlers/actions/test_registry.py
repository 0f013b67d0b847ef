"""Every entry of the registry leads to a function, and only known names lead anywhere."""

from __future__ import annotations

import inspect

import pytest

from lambda_handlers.actions.registry import ACTIONS, find
from lambda_handlers.wire import Action, SldbError
from tests.fakes.databases.service import container
from tests.fakes.stores.memory import memory_store


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_every_entry_is_a_function_of_a_context_and_an_action(name):
    assert list(inspect.signature(find(name)).parameters) == ["context", "action"]


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_every_action_refuses_what_is_not_its_argument(name):
    service = container(memory_store(), moves_files=True)
    with pytest.raises(SldbError) as caught:
        service.act(Action(name, arguments={"no_such_argument": 1}))
    assert caught.value.code == "bad_request"
    assert "arguments.no_such_argument" in caught.value.message
    service.close()


def test_an_unknown_action_is_told_what_there_is():
    with pytest.raises(SldbError, match="history") as caught:
        find("explode")
    assert caught.value.code == "bad_request"


EVENTS = [
    ({"action": "history", "query": "SELECT 1"}, "query: got 'SELECT 1'"),
    ({"action": ""}, "action: got ''"),
    ({"action": 5}, "action: got 5"),
    ({"action": "history", "arguments": [1]}, "arguments: got [1]"),
    ({"action": "history", "database": "No"}, "database: got 'No'"),
    ({"action": "history", "timeout": -1}, "timeout: got -1"),
    ({"action": "history", "arguments": {"limit": 0}}, "arguments.limit: got 0"),
    ({"action": "history", "arguments": {"limit": True}}, "arguments.limit: got True"),
    ({"action": "history", "arguments": {"before": "x"}}, "arguments.before: got 'x'"),
]


@pytest.mark.parametrize(("event", "says"), EVENTS)
def test_events_that_are_no_action(event, says):
    service = container(memory_store())
    reply = service.handle(event)
    assert reply["statusCode"] == 400
    assert says in reply["body"]["error"]["message"]
    service.close()


def test_an_action_survives_its_encoding():
    action = Action("history", "other", {"limit": 3}, timeout=2.5)
    assert Action.decode(action.encode()) == action
    assert Action("history").encode() == {"action": "history"}
