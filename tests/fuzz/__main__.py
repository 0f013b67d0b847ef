"""python -m tests.fuzz SECONDS         all targets, for so long in all; a new stretch of seeds each time
python -m tests.fuzz TARGET SEED     one input again
"""

from __future__ import annotations

import sys
import time
from random import Random

from tests.fuzz.targets import TARGETS, cases


def main(arguments: list[str]) -> None:
    if len(arguments) == 2:
        TARGETS[arguments[0]](Random(f"{arguments[0]}/{arguments[1]}"))
        print("nothing found")
        return
    seconds, first = float(arguments[0]), time.time_ns() // 1_000_000
    for name in TARGETS:
        began, inputs = time.monotonic(), 0
        for _ in cases(name, first):
            inputs += 1
            if time.monotonic() - began > seconds / len(TARGETS):
                break
        print(f"{name:14} {inputs:>10,} inputs from seed {first}, nothing found", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
