"""What a message of a queue costs the function, in groups of 1 to 1,000: processor time over a store in memory.

python -m benchmarks.queue
"""

from __future__ import annotations

import json
import time
from typing import Any

from tests.fakes.databases.service import container, run
from tests.fakes.sqs import Held
from tests.fakes.stores.memory import memory_store

GROUPS = (1, 10, 100, 1000)
INSERT: dict[str, Any] = {"query": "INSERT INTO t (b) VALUES (?)", "params": ["some text"]}
BODIES = {"1 INSERT": INSERT, "100 INSERTs": {"statements": [INSERT] * 100}}
MESSAGES = {"1 INSERT": 1000, "100 INSERTs": 100}  # at least, for each figure


def main() -> None:
    print("| messages in the group |", " | ".join(map(str, GROUPS)), "|")
    for name, body in BODIES.items():
        print(f"| ms per message of {name} |", " | ".join(f"{_ms(name, body, count):.1f}" for count in GROUPS), "|")


def _ms(name: str, body: dict[str, Any], count: int) -> float:
    service, number = container(memory_store()), 0
    run(service, "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    text, took, rounds = json.dumps(body), 0.0, max(1, MESSAGES[name] // count)
    for _ in range(rounds):
        held = [Held(f"m{number + one}", text, None, time.time(), 1) for one in range(count)]
        number += count
        event = {"Records": [one.record() for one in held]}
        started = time.process_time()
        reply = service.handle(event)
        took += time.process_time() - started
        assert reply == {"batchItemFailures": []}
    service.close()
    return took * 1000 / rounds / count


if __name__ == "__main__":
    main()
