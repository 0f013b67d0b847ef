"""The whole path: `sldb deploy` to the emulated AWS, then SQL through Lambda's runtime, the real bundle, S3 and EC2.

Nothing is replaced. Faults come in where the emulator lets a test stand between the function and AWS. One stack serves
all files, in their order: those that need another kind of lock come last.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.stack import Stack
from tests.fakes.aws.emulated import emulated_aws, wheels_of


@pytest.fixture(scope="package")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    with emulated_aws(minute_seconds=3600, wheels=wheels_of(request.config)) as aws:
        stack = Stack(aws)
        assert stack.deploy() == 0
        yield stack
