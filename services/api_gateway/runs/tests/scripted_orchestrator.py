"""A real gRPC server that plays an orchestrator by script."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, override

import grpc.aio

from libs.errors import ErrorKind, VentureBotsError
from libs.rpc.errors import abort_on_error
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb
from venturebots.orchestrator.v1 import orchestrator_service_pb2_grpc as pb_grpc

__all__ = [
    "ExhaustedRefusalError",
    "PreconditionRefusalError",
    "RefusalError",
    "ScriptedOrchestrator",
    "ScriptedRun",
    "UnavailableRefusalError",
    "UnknownRefusalError",
    "reply_events",
]


class RefusalError(VentureBotsError):
    """What the script wants the server to answer."""

    retryable = True

    def __init__(self, code: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(f"scripted {code}", retry_after_ms=retry_after_ms)
        self.code = code


class UnknownRefusalError(RefusalError):
    """NOT_FOUND."""

    kind = ErrorKind.NOT_FOUND


class PreconditionRefusalError(RefusalError):
    """FAILED_PRECONDITION."""

    kind = ErrorKind.PRECONDITION


class ExhaustedRefusalError(RefusalError):
    """RESOURCE_EXHAUSTED."""

    kind = ErrorKind.EXHAUSTED


class UnavailableRefusalError(RefusalError):
    """UNAVAILABLE."""

    kind = ErrorKind.UNAVAILABLE


def reply_events(message_id: str, words: list[str]) -> list[pb.RunEvent]:
    """A whole run: started, one message, finished; offsets are dense."""
    text = "".join(words)
    events = [
        pb.RunEvent(run_started=pb.RunStarted(crew="coaching", digest="sha256:0")),
        pb.RunEvent(
            message_started=pb.MessageStarted(message_id=message_id, agent="guide")
        ),
        *(
            pb.RunEvent(message_delta=pb.MessageDelta(message_id=message_id, text=word))
            for word in words
        ),
        pb.RunEvent(
            message_finished=pb.MessageFinished(
                message_id=message_id,
                status=pb.MESSAGE_STATUS_COMPLETE,
                length=len(text),
            )
        ),
        pb.RunEvent(run_finished=pb.RunFinished()),
    ]
    for offset, event in enumerate(events, start=1):
        event.offset = offset
    return events


@dataclass(slots=True)
class ScriptedRun:
    """A run's events and how many of them may be told so far."""

    events: list[pb.RunEvent]
    told: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, count: int) -> None:
        """Let `count` events in all be told."""
        self.told = min(count, len(self.events))
        self.changed.set()

    def replace_rest(self, *rest: pb.RunEvent) -> None:
        """Go on otherwise after what was told, and tell it."""
        self.events[self.told :] = rest
        for offset, event in enumerate(self.events, start=1):
            event.offset = offset
        self.tell(len(self.events))


class ScriptedOrchestrator(pb_grpc.OrchestratorServiceServicer):
    """Plays one process; a new one on the same port is another process."""

    def __init__(self, instance_id: str) -> None:
        self.instance_id = instance_id
        self.runs: dict[str, ScriptedRun] = {}
        self.executed: list[str] = []
        self.cancelled: list[str] = []
        self.has_cancelled = asyncio.Event()
        self.refusals: list[RefusalError] = []
        self.requests: list[pb.RunRequest] = []
        self.drops_after: int | None = None
        self.words = ["Tell ", "me ", "about ", "the ", "last ", "time."]
        self.told_together = 1
        self.holds_at: int | None = None
        self.port = 0
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """Listen on loopback; returns the port."""
        self._server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        pb_grpc.add_OrchestratorServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        await self._server.start()
        return self.port

    async def stop(self) -> None:
        """End abruptly, as a killed process would."""
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"127.0.0.1:{self.port}"

    @override
    async def Run(  # the name is the protocol's
        self, request: pb.RunRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.RunResponse]:
        """Refuse as scripted, or execute."""
        async with abort_on_error(context):
            self.requests.append(request)
            if self.refusals:
                raise self.refusals.pop(0)
            if request.expected_instance_id != self.instance_id:
                raise PreconditionRefusalError("instance_mismatch")
            if request.run_id not in self.runs:
                self.executed.append(request.run_id)
                script = ScriptedRun(
                    reply_events(f"m-{request.run_id}"[:36], self.words)
                )
                script.tell(self.holds_at or len(script.events))
                self.runs[request.run_id] = script
            async for events in self._follow(request.run_id, 0):
                yield pb.RunResponse(events=events)

    @override
    async def WatchRun(  # the name is the protocol's
        self, request: pb.WatchRunRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.WatchRunResponse]:
        """Replay and follow."""
        async with abort_on_error(context):
            if request.run_id not in self.runs:
                raise UnknownRefusalError("run_unknown")
            async for events in self._follow(request.run_id, request.after_offset):
                yield pb.WatchRunResponse(events=events)

    @override
    async def CancelRun(  # the name is the protocol's
        self, request: pb.CancelRunRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.CancelRunResponse:
        """Stop: the rest of the script is one cancelled event."""
        async with abort_on_error(context):
            script = self.runs.get(request.run_id)
            if script is None:
                raise UnknownRefusalError("run_unknown")
            self.cancelled.append(request.run_id)
            self.has_cancelled.set()
            script.replace_rest(
                pb.RunEvent(run_cancelled=pb.RunCancelled(reason=request.reason))
            )
        return pb.CancelRunResponse(state=pb.RUN_STATE_CANCELLED)

    @override
    async def GetRun(  # the name is the protocol's
        self, request: pb.GetRunRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetRunResponse:
        """Say whether the run is known."""
        async with abort_on_error(context):
            if request.run_id not in self.runs:
                raise UnknownRefusalError("run_unknown")
        return pb.GetRunResponse(
            state=pb.RUN_STATE_ACTIVE, instance_id=self.instance_id
        )

    @override
    async def ListCrews(  # the name is the protocol's
        self,
        request: pb.ListCrewsRequest,  # it asks nothing
        context: grpc.aio.ServicerContext[Any, Any],  # cannot fail
    ) -> pb.ListCrewsResponse:
        """Say who answers."""
        return pb.ListCrewsResponse(
            instance_id=self.instance_id, version="0", ready=True
        )

    async def _follow(
        self, run_id: str, after: int
    ) -> AsyncIterator[list[pb.RunEvent]]:
        script = self.runs[run_id]
        sent = 0
        while True:
            while after < script.told:
                if self.drops_after is not None and sent >= self.drops_after:
                    return
                upto = min(after + self.told_together, script.told)
                yield script.events[after:upto]
                sent += upto - after
                after = upto
            if after == len(script.events):
                return
            script.changed.clear()
            await script.changed.wait()
