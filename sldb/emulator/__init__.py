"""An AWS for this project on loopback, for `sldb emulator` and for tests.

    with Emulator() as aws:
        subprocess.run([...], env=aws.command_environment(os.environ))

Importing this package costs nothing; `Emulator` loads moto on first use. The path of a call:

server      one WSGI application; hooks see every call first
  signatures  is the call of a function signed with the credentials of its container?
  iam       may the role of the calling function do this?
  *_rules   calls refused by AWS and accepted by moto
  moto_app  everything else, behind one lock
  state/    saves what a call has changed, before its answer, if there is a directory for it
  cloudformation/   stacks: change sets, events, roll-back; makes resources by calling the same server
  gateway/    API Gateway: requests to APIs, which invoke functions
  functions   invocations: containers, each a process that runs the deployed bundle
  schedule    rules with rate(...) invoke their functions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sldb.emulator.front.server import Emulator as Emulator

__all__ = ["Emulator"]


def __getattr__(name: str) -> Any:
    if name == "Emulator":
        from sldb.emulator.front.server import Emulator

        return Emulator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
