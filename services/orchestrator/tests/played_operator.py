"""A gRPC server that plays the operator: says what tests want and notes replies."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc.aio

from libs.errors import ErrorKind, VentureBotsError
from libs.rpc import BearerToken, abort_on_error, create_server
from services.orchestrator.crews.told import Update
from services.orchestrator.tests.told_documents import to_wire
from venturebots.crew.v1 import crew_discovery_pb2 as pb
from venturebots.crew.v1 import crew_discovery_pb2_grpc as pb_grpc

__all__ = ["PlayedOperator", "PlayedStream"]

_SECONDS = 20


class _NotLeadingError(VentureBotsError):
    """Another replica leads."""

    kind = ErrorKind.PRECONDITION
    code = "not_leading"


class PlayedStream:
    """One orchestrator that subscribed."""

    def __init__(self, subscribe: pb.Subscribe, answers: Update | None) -> None:
        self.subscribe = subscribe
        self.heard: list[pb.StreamRevisionsRequest] = []
        self.is_over = asyncio.Event()
        self.to_say: asyncio.Queue[pb.StreamRevisionsResponse | None] = asyncio.Queue()
        self._changed = asyncio.Condition()
        if answers is not None:
            self.tell(answers)

    def tell(self, *parts: Update) -> None:
        """Send the parts of an update."""
        for part in parts:
            self.say(pb.StreamRevisionsResponse(update=to_wire(part)))

    def probe(self, **fields: Any) -> None:
        """Ask for a probe."""
        request = pb.ProbeRequest(**{"timeout_seconds": 10, **fields})
        self.say(pb.StreamRevisionsResponse(probe_request=request))

    def say(self, response: pb.StreamRevisionsResponse) -> None:
        """Send anything."""
        self.to_say.put_nowait(response)

    def end(self) -> None:
        """End the stream."""
        self.to_say.put_nowait(None)

    async def hear(self, request: pb.StreamRevisionsRequest) -> None:
        """Note what came."""
        async with self._changed:
            self.heard.append(request)
            self._changed.notify_all()

    async def until[T](self, found: Callable[[Self], T | None]) -> T:
        """Wait until what was heard holds what is looked for."""
        async with asyncio.timeout(_SECONDS), self._changed:
            while (told := found(self)) is None:
                await self._changed.wait()
            return told

    async def answer(self, nonce: int) -> pb.Ack | pb.Nack:
        """Wait for the answer to an update."""

        def found(stream: Self) -> pb.Ack | pb.Nack | None:
            for request in stream.heard:
                if request.HasField("ack") and request.ack.nonce == nonce:
                    return request.ack
                if request.HasField("nack") and request.nack.nonce == nonce:
                    return request.nack
            return None

        return await self.until(found)

    async def probe_result(self, probe_id: str) -> pb.ProbeResult:
        """Wait for the answer to a probe."""

        def found(stream: Self) -> pb.ProbeResult | None:
            for request in stream.heard:
                if request.probe_result.probe_id == probe_id:
                    return request.probe_result
            return None

        return await self.until(found)

    @property
    def stats(self) -> list[pb.Stats]:
        """What was told of runs so far, in order."""
        return [one.stats for one in self.heard if one.HasField("stats")]


class PlayedOperator:
    """One replica; `answers` is told to whoever subscribes."""

    def __init__(
        self,
        answers: Update | None = None,
        *,
        stands_by: bool = False,
        token_file: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.answers = answers
        self.stands_by = stands_by
        self.streams: list[PlayedStream] = []
        self.refused = 0
        self.port = port
        self._host = host
        self._server = create_server(
            token=BearerToken(token_file) if token_file else None
        )
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        pb_grpc.add_CrewDiscoveryServiceServicer_to_server(self, self._server)  # type: ignore[arg-type] # fewer types
        self.port = self._server.add_insecure_port(f"{self._host}:{self.port}")
        await self._server.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def address(self) -> str:
        """Where it is dialled."""
        return f"{self._host}:{self.port}"

    async def stop(self) -> None:
        """Break all streams off, as a killed process does."""
        await self._server.stop(None)

    async def stream(self, number: int = 1) -> PlayedStream:
        """Wait for a subscription, by its place from 1."""
        async with asyncio.timeout(_SECONDS), self._changed:
            while len(self.streams) < number:
                await self._changed.wait()
            return self.streams[number - 1]

    async def refusals(self, number: int) -> None:
        """Wait until so many calls were told that it stands by."""
        async with asyncio.timeout(_SECONDS), self._changed:
            while self.refused < number:
                await self._changed.wait()

    async def StreamRevisions(  # noqa: N802 - the protocol's name
        self,
        requests: AsyncIterator[pb.StreamRevisionsRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncGenerator[pb.StreamRevisionsResponse]:
        """Talk to one orchestrator."""
        async with abort_on_error(context):
            if self.stands_by:
                async with self._changed:
                    self.refused += 1
                    self._changed.notify_all()
                raise _NotLeadingError("another replica leads")
            first = await anext(requests)
            stream = PlayedStream(first.subscribe, self.answers)
            async with self._changed:
                self.streams.append(stream)
                self._changed.notify_all()
            listening = asyncio.create_task(self._listen(requests, stream))
            try:
                while (response := await stream.to_say.get()) is not None:
                    yield response
            finally:
                listening.cancel()
                stream.is_over.set()

    async def _listen(
        self,
        requests: AsyncIterator[pb.StreamRevisionsRequest],
        stream: PlayedStream,
    ) -> None:
        async for request in requests:
            await stream.hear(request)
