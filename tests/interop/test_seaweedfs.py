"""The contract over SeaweedFS, which enforces signatures."""

from tests.interop.contract import *  # noqa: F403 - the tests of all servers

SERVER = "seaweedfs"
