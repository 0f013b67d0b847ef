"""One fresh process of one peer: initialization, an operation cold, then the same one warm.

    python -m benchmarks.peers.worker ADAPTER OPERATION WARM URL [ARGUMENT]

Prints a line for each part: its name, when it began, when it had its result (both of the monotonic clock, which the
simulator shares), seconds of processor time, peak of memory (KB), the rows. After each part it waits until
the simulator has no request under way, so that work after the reply is not mixed up with the next part.

Nothing is imported here that a peer would have to import: the parts contain their own imports.
"""

import sys
import time

from benchmarks.peers.operations import OPERATIONS, WRITES

ENOUGH_SECONDS = 5.0  # of warm executions


def main(adapter: str, operation: str, warm: int, url: str, argument: str = "") -> None:
    began = _now()
    peer = __import__(f"benchmarks.peers.adapters.{adapter}", fromlist=["open_peer"]).open_peer(url, argument)
    _report("init", began, None)
    _settle(url)
    first = time.perf_counter()
    for number in range(warm + 1):
        began = _now()
        if number > 1 and began[0] - first > ENOUGH_SECONDS:
            break
        rows = peer.run(OPERATIONS[operation], operation in WRITES)
        _report("warm" if number else "cold", began, rows)
        _settle(url)
    getattr(peer, "close", lambda: None)()


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _report(part: str, began: tuple[float, float], rows: list[tuple[object, ...]] | None) -> None:
    ended, processor = _now()
    shown = repr([tuple(row) for row in rows or ()])
    fields = ("part", part, began[0], ended, processor - began[1], _peak_kb(), shown)
    print("\t".join(map(str, fields)), flush=True)


def _peak_kb() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def _settle(url: str) -> None:
    import socket  # what follows the first part is not part of it

    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /_/quiet HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")
        connection.recv(1000)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
