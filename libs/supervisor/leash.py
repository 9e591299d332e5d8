"""Start a command that dies with its parent, even when that is killed.

`python -m libs.supervisor.leash PARENT_PID COMMAND …`. On Linux the kernel is
asked to do it and this process becomes the command. Elsewhere (or with
`--watch` before the pid) it stays, and kills the command when its standard
input, a pipe the parent holds open, reaches its end.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from types import FrameType
from typing import NoReturn

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> NoReturn:
    """Tie the command to the parent and run it."""
    arguments = sys.argv[1:]
    is_watching = arguments[0] == "--watch" or sys.platform != "linux"
    parent_pid, *command = arguments[arguments[0] == "--watch" :]
    if is_watching:
        sys.exit(_watch(command))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent_pid):
        # The parent ended before the kernel was asked.
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - there is no shell to want


def _watch(command: list[str]) -> int:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def kill_when_the_parent_is_gone() -> None:
        sys.stdin.buffer.read()
        process.kill()

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)
    threading.Thread(target=kill_when_the_parent_is_gone, daemon=True).start()
    return process.wait()


if __name__ == "__main__":
    main()
