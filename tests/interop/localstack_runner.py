"""A starter of LocalStack, on 127.0.0.1 alone and without TLS: run by LocalStack's own Python.

Its wheel lacks the entry point with its components, its server listens on all interfaces regardless of its settings,
and TLS needs a certificate from the network.
"""

from functools import partial
from types import SimpleNamespace

from localstack.aws.components import AwsComponents
from localstack.runtime import runtime
from localstack.runtime.server import twisted

twisted.endpoints = SimpleNamespace(
    TCP4ServerEndpoint=partial(twisted.endpoints.TCP4ServerEndpoint, interface="127.0.0.1"),
    TCP6ServerEndpoint=twisted.endpoints.TCP6ServerEndpoint,
)
register = twisted.TwistedRuntimeServer.register
twisted.TwistedRuntimeServer.register = lambda self, gateway, listen, ssl_creds=None: register(self, gateway, listen)
runtime.create_from_environment = lambda: runtime.LocalstackRuntime(AwsComponents())

from localstack.runtime.main import main  # noqa: E402 - only once that is in place

main()
