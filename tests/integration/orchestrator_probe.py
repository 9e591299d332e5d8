"""Runs the orchestrator and tells, at SIGUSR1, what it holds and whom it called.

Started by a test as `python -m tests.integration.orchestrator_probe`; the report
is JSON at `PROBE_REPORT`.
"""

import gc
import ipaddress
import json
import os
import runpy
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

_CREWAI = ("Agent", "Crew", "Task")
_foreign: list[str] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """Note every name looked up and every address beyond loopback."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
        if host not in {None, "", "localhost", "127.0.0.1", "::1"}:
            _foreign.append(f"lookup {host!r}")
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
        if not ipaddress.ip_address(host).is_loopback:
            _foreign.append(f"connect {arguments[1]!r}")


def _crewai_objects() -> Counter[str]:
    found: Counter[str] = Counter()
    for each in gc.get_objects():
        kind = type(each)
        is_executor = kind.__name__.endswith("Executor")
        if str(kind.__module__).startswith(("crewai", "services.orchestrator")) and (
            kind.__name__ in _CREWAI or is_executor
        ):
            found[kind.__name__] += 1
    return found


def _report(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal's
    gc.collect()
    report = {
        "objects": _crewai_objects(),
        "threads": threading.active_count(),
        "foreign": _foreign,
    }
    path = Path(os.environ["PROBE_REPORT"])
    path.with_suffix(".part").write_text(json.dumps(report), "utf-8")
    path.with_suffix(".part").rename(path)


if __name__ == "__main__":
    sys.addaudithook(_watch)
    signal.signal(signal.SIGUSR1, _report)
    runpy.run_module("services.orchestrator", run_name="__main__", alter_sys=True)
