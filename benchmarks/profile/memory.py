"""What processes keep in memory: after each import, and by who allocated it."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from libs.testing.stack import REPOSITORY, Stack

__all__ = ["IMPORTS", "Allocations", "allocations", "megabytes_by_import", "trace"]

_MB = 1_000_000
_LARGEST = 10_000
_TRACED = "benchmarks.profile.traced"

IMPORTS: Final = {
    "gateway": {
        "asyncio with TLS": "asyncio ssl",
        "pydantic and settings": "pydantic pydantic_settings",
        "structlog (with `rich`, where it is installed)": "structlog",
        "prometheus-client": "prometheus_client",
        "SQLAlchemy, to write SQL at import": "sqlalchemy",
        "alembic, in a life that migrates": "alembic.command alembic.migration",
        "FastAPI, Starlette": "fastapi",
        "grpc": "grpc.aio",
        "uvicorn, uvloop, limits": "uvicorn uvloop httptools limits.aio",
        "our own modules": "services.api_gateway.__main__",
    },
    "orchestrator": {
        "asyncio with TLS": "asyncio ssl",
        "pydantic, structlog, prometheus, grpc, httpx": (
            "pydantic_settings structlog prometheus_client grpc.aio httpx"
        ),
        "our own modules": "services.orchestrator.__main__",
        "OpenTelemetry (CrewAI imports it)": "opentelemetry.sdk.trace",
        "openai (CrewAI imports it)": "openai",
        "chromadb (CrewAI imports it)": "chromadb",
        "CrewAI and what else it brings": (
            "crewai services.orchestrator.runtime.crew_runner"
        ),
    },
}
_PROBE = """
import importlib, json, os, sys, warnings
warnings.simplefilter("ignore")
from services.orchestrator.runtime.environment import prepare
prepare()
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
sizes = [resident()]
for modules in json.loads(sys.argv[1]):
    for module in modules.split():
        importlib.import_module(module)
    sizes.append(resident())
print(json.dumps(sizes))
"""
"""Imports one group of modules after the other; prints what was resident then."""

_PACKAGE = re.compile(r"site-packages/([^/]+)|/(services|libs|benchmarks)/|protos/gen")


def megabytes_by_import(role: str) -> dict[str, float]:
    """Import what a process imports, in order; what became resident each time."""
    groups = IMPORTS[role]
    said = subprocess.run(
        [sys.executable, "-c", _PROBE, json.dumps(list(groups.values()))],
        cwd=REPOSITORY,
        env={"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'protos/gen'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    sizes = json.loads(said.stdout.splitlines()[-1])
    named = {"interpreter": sizes[0] / _MB}
    for index, name in enumerate(groups):
        named[name] = (sizes[index + 1] - sizes[index]) / _MB
    return named


@dataclass(slots=True)
class Allocations:
    """What memray counted of a process from its first import to its end."""

    peak_mb: float
    total_mb: float
    calls: int
    bytes_by_package: Counter[str] = field(default_factory=Counter)


def trace(stack: Stack, folder: Path) -> None:
    """Have the stack's processes, not yet started, counted by memray."""
    for process in (stack.gateway, stack.orchestrator):
        process.environment["VB_PROFILED_MODULE"] = process.module
        process.environment["VB_PROFILE"] = str(folder / f"{process.name}.memray")
        process.module = _TRACED


def allocations(folder: Path, role: str) -> Allocations:
    """Read what was counted of a process that has ended."""
    traced, told = folder / f"{role}.memray", folder / f"{role}.json"
    options = ("--json", "--num-largest", str(_LARGEST), "--output", str(told), "-f")
    words = ("-m", "memray", "stats", *options, str(traced))
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    stats = json.loads(told.read_text("utf-8"))
    found = Allocations(
        peak_mb=stats["metadata"]["peak_memory"] / _MB,
        total_mb=stats["total_bytes_allocated"] / _MB,
        calls=stats["total_num_allocations"],
    )
    for location in stats["top_allocations_by_size"]:
        found.bytes_by_package[_package_of(location["location"])] += location["size"]
    return found


def _package_of(location: str) -> str:
    match = _PACKAGE.search(location)
    if match is None:
        return "the standard library"
    return match[1] or match[2] or "our protobuf messages"
