"""Run a service and start it again when its code changes: development in a container.

`python -m libs.reload services.api_gateway` watches the working directory, where
changed files arrive by mount or by copy. A service that ended by itself is started
again by the next change.
"""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

__all__ = ["Reloader", "watched_files"]

_WATCHED_FOLDERS = ("libs", "services", "protos", "configs")
_WATCHED_SUFFIXES = {".py", ".yaml", ".yml", ".md"}
_INTERVAL_SECONDS = 0.3
# Runs under way are not waited for: who changes code wants to see it.
_GRACE_SECONDS = 2


class Reloader:
    """One command, stopped and started whenever a file below the folder changes."""

    def __init__(self, command: Sequence[str], *, folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._is_stopping = threading.Event()

    def run(self) -> None:
        """Keep the command running until `stop`."""
        seen = watched_files(self._folder)
        process = self._start()
        while not self._is_stopping.wait(_INTERVAL_SECONDS):
            state = watched_files(self._folder)
            if state == seen:
                continue
            seen = state
            sys.stderr.write("the code changed: starting again\n")
            _end(process)
            process = self._start()
        _end(process)

    def stop(self) -> None:
        """Ask `run` to end the command and return."""
        self._is_stopping.set()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, cwd=self._folder)


def watched_files(folder: Path) -> dict[Path, int]:
    """When each file below a service's folder that makes the service was changed."""
    return dict(_changes(folder))


def _changes(folder: Path) -> Iterator[tuple[Path, int]]:
    for name in _WATCHED_FOLDERS:
        for path in (folder / name).rglob("*"):
            if path.suffix in _WATCHED_SUFFIXES:
                # It may be on its way in or out.
                with suppress(FileNotFoundError):
                    yield path, path.stat().st_mtime_ns


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """Run the module that the command line names until told to stop."""
    command = (sys.executable, "-m", *sys.argv[1:])
    reloader = Reloader(command, folder=Path.cwd())

    def stop(_signal: int, _frame: FrameType | None) -> None:
        reloader.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    reloader.run()


if __name__ == "__main__":
    main()
