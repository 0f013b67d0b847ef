"""The contract over MiniStack."""

from tests.interop.contract import *  # noqa: F403 - the tests of all servers

SERVER = "ministack"
