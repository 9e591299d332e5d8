"""Orchestrators as a cluster has them: several addresses of one name, that change."""

import asyncio
from collections.abc import Collection
from typing import Any, override

import grpc.aio

from services.api_gateway.runs.tests.scripted_orchestrator import ScriptedOrchestrator
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb
from venturebots.orchestrator.v1 import orchestrator_service_pb2_grpc as pb_grpc

__all__ = ["Pod", "Zone"]


class Zone:
    """The answers for one name; `is_down` makes every lookup fail."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = set(addresses)
        self.is_down = False
        self.asked: list[str] = []

    async def look_up(self, host: str) -> Collection[str]:
        """Answer as the resolver of a cluster would."""
        self.asked.append(host)
        if self.is_down:
            raise OSError(f"no answer for {host}")
        return frozenset(self.addresses)


class Pod(ScriptedOrchestrator):
    """One process at an address of its own, which tells how many runs it has."""

    def __init__(self, host: str) -> None:
        super().__init__(f"pod-{host}")
        self.host = host
        self.is_ready = True
        self.asked = asyncio.Event()
        self._listener: grpc.aio.Server | None = None

    @override
    async def start(self, port: int = 0) -> int:
        """Listen at the pod's address."""
        self._listener = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        pb_grpc.add_OrchestratorServiceServicer_to_server(self, self._listener)
        self.port = self._listener.add_insecure_port(f"{self.host}:{port}")
        await self._listener.start()
        return self.port

    @override
    async def stop(self) -> None:
        """End abruptly, as a killed process would."""
        if self._listener is not None:
            await self._listener.stop(grace=None)
            self._listener = None

    @property
    @override
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def active_runs(self) -> int:
        """How many runs are not told to their end."""
        return sum(run.told < len(run.events) for run in self.runs.values())

    @override
    async def ListCrews(self, request: pb.ListCrewsRequest, context: Any) -> Any:
        """Say who answers, and how busy it is."""
        self.asked.set()
        return pb.ListCrewsResponse(
            instance_id=self.instance_id,
            version="0",
            ready=self.is_ready,
            active_runs=self.active_runs,
        )

    def finish(self) -> None:
        """Let every run be told to its end."""
        for run in self.runs.values():
            run.tell(len(run.events))
