"""The first lines of a container's Python: python -I -S -B bootstrap.py TASK_DIR RUNTIME_DIR RUNTIME HANDLER

-I and -S leave nothing but the standard library to import from; then come the bundle and, as in Lambda, the runtime's
own packages. A package missing from the bundle is missing here too, even if the machine has it installed.
"""

import runpy
import sys

task_dir, runtime_dir, runtime, handler = sys.argv[1:]
sys.path[:0] = [task_dir]
sys.path.append(runtime_dir)
sys.argv = [runtime, handler]
runpy.run_module(runtime, run_name="__main__", alter_sys=True)
