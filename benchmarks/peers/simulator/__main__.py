"""The simulator as a process: it prints its port, and ends with its standard input.

python -m benchmarks.peers.simulator '{"get_ms": 15, "put_ms": 30, "ec2_ms": 250, "bytes_a_second": 90000000}'
"""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.peers.simulator.control import Control
from benchmarks.peers.simulator.latency import Latency
from benchmarks.peers.simulator.server import Server


async def serve(latency: Latency) -> None:
    server = await asyncio.start_server(Server(Control(latency)).connected, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Latency(**json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})))
