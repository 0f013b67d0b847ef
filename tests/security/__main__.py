"""python -m tests.security TOOLS     what checkers of templates and of code find: nothing, or the command fails

TOOLS is the environment of the tools, made by `make security`. checkov and cfn-guard get the template as it is in each
combination of options that makes a difference (tests/cloudformation/combinations.py), cfn-lint too, and as it stands.
Rules for cfn-guard come with the tools (of AWS Control Tower); those of a checkout of aws-guard-rules-registry are
checked as well: GUARD_RULES=DIR.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.security.checkers import Tools, bandit, cfn_guard, cfn_lint, checkov, pip_audit, workflows
from tests.security.templates import write_templates


def main(folder: str) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        templates = write_templates(Path(scratch))
        tools = Tools(Path(folder), Path(scratch), tuple(templates), os.environ.get("GUARD_RULES"))
        with ThreadPoolExecutor(2) as pool:
            results = list(
                pool.map(lambda check: check(tools), (checkov, cfn_lint, bandit, cfn_guard, pip_audit, workflows))
            )
    for result in results:
        print(f"{result.tool:10} {result.scope}: {len(result.failures)} failures")
        for failure in result.failures:
            print(f"           {failure}")
    return 1 if any(result.failures for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
