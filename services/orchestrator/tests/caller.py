"""A caller of the service, as the gateway is one."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from libs.rpc import connect, remote_errors
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb
from venturebots.orchestrator.v1 import orchestrator_service_pb2_grpc as pb_grpc

__all__ = ["TERMINAL", "Caller", "Reading", "kind_of"]

TERMINAL = frozenset({"run_finished", "run_failed", "run_cancelled"})


def kind_of(event: pb.RunEvent) -> str:
    """Name what an event tells."""
    return event.WhichOneof("payload") or ""


class Reading:
    """A stream that is read in the background into `events`."""

    def __init__(self, responses: AsyncIterable[Any]) -> None:
        self.events: list[pb.RunEvent] = []
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read(responses))

    async def _read(self, responses: AsyncIterable[Any]) -> None:
        with remote_errors():
            async for response in responses:
                self.events.extend(response.events)
                self._changed.set()

    async def until(self, kind: str, *, count: int = 1) -> pb.RunEvent:
        """Wait for the count-th event of a kind and return it."""
        async with asyncio.timeout(10):
            while True:
                found = [event for event in self.events if kind_of(event) == kind]
                if len(found) >= count:
                    return found[count - 1]
                if self._task.done():
                    self._task.result()
                    raise AssertionError(f"ended without {kind}: {self.kinds}")
                self._changed.clear()
                change = asyncio.create_task(self._changed.wait())
                await asyncio.wait(
                    [change, self._task], return_when=asyncio.FIRST_COMPLETED
                )
                change.cancel()

    async def end(self) -> list[pb.RunEvent]:
        """Wait for the stream's end; raises what ended it."""
        await asyncio.wait_for(self._task, 10)
        return self.events

    async def close(self) -> None:
        """Stop reading, as a caller that is lost does."""
        self._task.cancel()
        await asyncio.wait([self._task])

    @property
    def kinds(self) -> list[str]:
        """What the events tell, in order."""
        return [kind_of(event) for event in self.events]

    @property
    def text(self) -> str:
        """The text streamed so far."""
        return "".join(
            event.message_delta.text
            for event in self.events
            if kind_of(event) == "message_delta"
        )


class Caller:
    """Calls one orchestrator."""

    def __init__(self, address: str, token_file: Path | None = None) -> None:
        self._connection = connect(address, token_file=token_file)
        self._stub: Any = pb_grpc.OrchestratorServiceStub(self._connection.channel)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.aclose()

    def responses(self, request: pb.RunRequest) -> AsyncIterator[pb.RunResponse]:
        """Call Run; read the responses yourself."""
        call: AsyncIterator[pb.RunResponse] = self._stub.Run(
            request, metadata=self._connection.metadata()
        )
        return call

    def run(
        self,
        run_id: str,
        *,
        text: str = "Hello",
        founder: str = "founder",
        deadline: datetime | None = None,
        extra: pb.RunRequest | None = None,
    ) -> Reading:
        """Run the crew that answers messages, or attach to the run."""
        return Reading(
            self.responses(
                request_for(
                    run_id, text=text, founder=founder, deadline=deadline, extra=extra
                )
            )
        )

    def watch(self, run_id: str, after_offset: int = 0) -> Reading:
        """Attach to a run."""
        request = pb.WatchRunRequest(run_id=run_id, after_offset=after_offset)
        metadata = self._connection.metadata()
        return Reading(self._stub.WatchRun(request, metadata=metadata))

    async def cancel(
        self, run_id: str, reason: str = "founder"
    ) -> pb.RunState.ValueType:
        """Stop a run."""
        with remote_errors():
            response: pb.CancelRunResponse = await self._stub.CancelRun(
                pb.CancelRunRequest(run_id=run_id, reason=reason),
                metadata=self._connection.metadata(),
            )
        return response.state

    async def get(self, run_id: str) -> pb.GetRunResponse:
        """Ask where a run stands."""
        with remote_errors():
            response: pb.GetRunResponse = await self._stub.GetRun(
                pb.GetRunRequest(run_id=run_id), metadata=self._connection.metadata()
            )
        return response

    async def crews(self) -> pb.ListCrewsResponse:
        """Ask what is served."""
        with remote_errors():
            response: pb.ListCrewsResponse = await self._stub.ListCrews(
                pb.ListCrewsRequest(), metadata=self._connection.metadata()
            )
        return response


def request_for(
    run_id: str,
    *,
    text: str = "Hello",
    founder: str = "founder",
    deadline: datetime | None = None,
    extra: pb.RunRequest | None = None,
) -> pb.RunRequest:
    """Make a request for a run that answers a message, unless `extra` opens."""
    request = pb.RunRequest(
        run_id=run_id, session_id=f"session of {run_id}", founder_ref=founder
    )
    if extra is not None:
        request.MergeFrom(extra)
    if request.WhichOneof("trigger") is None:
        request.message.message_id = f"message of {run_id}"
        request.message.text = text
    if deadline is not None:
        until = Timestamp()
        until.FromDatetime(deadline)
        request.deadline.CopyFrom(until)
    return request
