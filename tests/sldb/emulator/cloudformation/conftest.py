"""Stacks of the emulated CloudFormation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.aws.cloudformation import Stack, template


@pytest.fixture
def stack(account: Any, wait: Any) -> Stack:
    return Stack(account, wait)


@pytest.fixture
def deployed(stack: Stack, aws: Any) -> Stack:
    assert stack.apply(template(aws), creates=True) == "CREATE_COMPLETE"
    return stack
