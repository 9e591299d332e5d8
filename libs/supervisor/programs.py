"""What runs on a laptop, on which ports, and what it is told."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

__all__ = [
    "GATEWAY",
    "ORCHESTRATOR",
    "SERVICES",
    "VITE",
    "Port",
    "Program",
    "environment",
]

_LOOPBACK = "127.0.0.1"
_EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a program: the variables that move it and where it is else."""

    variable: str
    default: int
    host_variable: str = ""

    def host(self, environment: Mapping[str, str]) -> str:
        """Return the address at which the port is reached from here."""
        listened_on = environment.get(self.host_variable, "")
        return _LOOPBACK if listened_on in _EVERYWHERE else listened_on

    def number(self, environment: Mapping[str, str]) -> int:
        """Read the port a program will take in an environment."""
        text = environment.get(self.variable) or str(self.default)
        if not text.isdecimal():
            message = f"{self.variable}={text!r} is not a port number"
            raise SystemExit(message)
        return int(text)


@dataclass(frozen=True, slots=True)
class Program:
    """One process: its name in the output, its command, its ports.

    `ready_port` answers `GET /readyz` with 200 once the program serves.
    """

    name: str
    command: tuple[str, ...]
    ports: tuple[Port, ...]
    ready_port: Port


def _service(name: str, module: str, *, api: Port, side: Port) -> Program:
    command = (sys.executable, "-m", module)
    return Program(name=name, command=command, ports=(api, side), ready_port=side)


ORCHESTRATOR = _service(
    "orchestrator",
    "services.orchestrator",
    api=Port("VB_ORCHESTRATOR_PORT", 50051, "VB_ORCHESTRATOR_HOST"),
    side=Port("VB_ORCHESTRATOR_METRICS_PORT", 9091, "VB_ORCHESTRATOR_METRICS_HOST"),
)
GATEWAY = _service(
    "gateway",
    "services.api_gateway",
    api=Port("VB_GATEWAY_PORT", 8000, "VB_GATEWAY_HOST"),
    side=Port("VB_GATEWAY_METRICS_PORT", 9090, "VB_GATEWAY_HOST"),
)
SERVICES = (ORCHESTRATOR, GATEWAY)

VITE = Port("VB_PAGE_PORT", 5173)
"""Where the page is in development."""


def environment(dotenv: Path) -> dict[str, str]:
    """Return what the programs are told: `.env`, overruled by the environment.

    Unless told otherwise, the gateway looks for the orchestrator where it will
    listen, logs are for people to read, and Ctrl-C waits for no long reply.
    """
    written = {name: value for name, value in dotenv_values(dotenv).items() if value}
    merged = {**written, **os.environ}
    address = f"127.0.0.1:{ORCHESTRATOR.ports[0].number(merged)}"
    laptop = {
        "VB_GATEWAY_ORCHESTRATOR_ADDRESSES": address,
        "VB_GATEWAY_LOG_FORMAT": "text",
        "VB_ORCHESTRATOR_LOG_FORMAT": "text",
        "VB_ORCHESTRATOR_DRAIN_GRACE_SECONDS": "8",
    }
    return {**laptop, **merged}
