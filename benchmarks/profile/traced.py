"""Runs a service with memray counting every allocation.

Started in the service's place; `VB_PROFILED_MODULE` names it, `VB_PROFILE` the file.
"""

import os
import runpy
import sys
from pathlib import Path

import memray


def _main() -> None:
    module, target = os.environ["VB_PROFILED_MODULE"], os.environ["VB_PROFILE"]
    sys.argv = [module]
    with memray.Tracker(Path(target)):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
