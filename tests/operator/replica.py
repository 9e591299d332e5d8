"""A replica of the operator as a real process, against a real API server."""

import os
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

import httpx2
import psutil

from libs.toolchain.paths import ROOT
from tests.operator.api_server import ApiServer, free_port

__all__ = ["Replica"]

_START_SECONDS = 60
_STOP_SECONDS = 30
# Development has a client of Kubernetes, for CrewAI; kopf would use it. The image has
# none.
_PROGRAM = (
    "import sys; sys.modules['kubernetes'] = None;"
    "from services.operator.__main__ import main; sys.exit(main([]))"
)


class Replica:
    """One process with the rights of one user; `async with` or `with` ends it."""

    def __init__(
        self,
        api: ApiServer,
        *,
        user: str,
        namespace: str,
        url: str | None = None,
        **settings: str,
    ) -> None:
        self.user = user
        self.port, self.metrics_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        kubeconfig = api.kubeconfig(user, url=url)
        self.log = kubeconfig.with_suffix(f".{namespace}.log")
        chosen = {
            "NAMESPACE": namespace,
            "PORT": str(self.port),
            "METRICS_PORT": str(self.metrics_port),
            "LEASE_NAME": "operator",
            "FLEET_SERVICE": "orchestrator",
            "BOOTSTRAP_CONFIG_MAP": "bootstrap",
            "BOOTSTRAP_SECONDS": "0.2",
            "LOG_FORMAT": "json",
            **settings,
        }
        self._environment = {
            **os.environ,
            **{f"VB_OPERATOR_{name}": value for name, value in chosen.items()},
            "KUBECONFIG": str(kubeconfig),
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "protos" / "gen"))),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.terminate()

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while self.status("/readyz") != 200:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"not ready:\n{self.told()[-6000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a crash would."""
        self._ended(signal.SIGKILL)

    def terminate(self) -> int:
        """Ask it to end; return its exit code."""
        return self._ended(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it stand still."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def exit_code(self) -> int | None:
        """Tell how it ended, None while it runs."""
        return None if self._process is None else self._process.poll()

    def memory(self) -> int:
        """Tell how many bytes of memory it holds now."""
        assert self._process is not None
        resident: int = psutil.Process(self._process.pid).memory_info().rss
        return resident

    def cpu_seconds(self) -> float:
        """Tell how long it computed so far."""
        assert self._process is not None
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def status(self, path: str) -> int:
        """Ask the side port; 0 when it does not answer."""
        try:
            url = f"http://127.0.0.1:{self.metrics_port}{path}"
            return httpx2.get(url, timeout=2).status_code
        except httpx2.HTTPError:
            return 0

    def metric(self, name: str) -> float:
        """Read one metric with its labels; 0 when it is not there."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        for line in httpx2.get(url, timeout=5).text.splitlines():
            key, _, value = line.rpartition(" ")
            if key == name:
                return float(value)
        return 0.0

    @property
    def leads(self) -> bool:
        """Whether it says that it leads."""
        try:
            return self.metric("venturebots_operator_is_leader") == 1
        except httpx2.HTTPError:
            return False

    def told(self) -> str:
        """Return its log."""
        return self.log.read_text() if self.log.exists() else ""

    def _ended(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        assert process is not None
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
        try:
            return process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
