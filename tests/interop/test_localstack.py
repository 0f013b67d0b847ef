"""The contract over LocalStack."""

from tests.interop.contract import *  # noqa: F403 - the tests of all servers

SERVER = "localstack"
