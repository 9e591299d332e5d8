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


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a program: the variable that moves it and where it is else."""

    variable: str
    default: int

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
    host_variable: str
    ports: tuple[Port, ...]
    ready_port: Port


def _service(name: str, module: str, prefix: str, *, api: int, side: int) -> Program:
    side_port = Port(f"{prefix}_METRICS_PORT", side)
    return Program(
        name=name,
        command=(sys.executable, "-m", module),
        host_variable=f"{prefix}_HOST",
        ports=(Port(f"{prefix}_PORT", api), side_port),
        ready_port=side_port,
    )


ORCHESTRATOR = _service(
    "orchestrator", "services.orchestrator", "VB_ORCHESTRATOR", api=50051, side=9091
)
GATEWAY = _service("gateway", "services.api_gateway", "VB_GATEWAY", api=8000, side=9090)
SERVICES = (ORCHESTRATOR, GATEWAY)

VITE = Port("VB_PAGE_PORT", 5173)
"""Where the page is in development."""


def environment(dotenv: Path) -> dict[str, str]:
    """Return what the programs are told: `.env`, overruled by the environment.

    The gateway is pointed at the orchestrator's port unless it is told another.
    """
    written = {name: value for name, value in dotenv_values(dotenv).items() if value}
    merged = {**written, **os.environ}
    port = ORCHESTRATOR.ports[0].number(merged)
    merged.setdefault("VB_GATEWAY_ORCHESTRATOR_ADDRESSES", f"127.0.0.1:{port}")
    return merged
