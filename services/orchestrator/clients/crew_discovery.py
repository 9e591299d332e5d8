"""The operator's stream, from the side of those it tells."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, assert_never

import grpc
import grpc.aio

from libs.rpc import Connection, RemoteError, connect, remote_errors
from services.orchestrator.clients.crew_update import update_from_wire
from services.orchestrator.crews.probes import Probe, ProbeOutcome
from services.orchestrator.crews.rollout_stats import RevisionStats
from services.orchestrator.crews.told import Answer, Update
from venturebots.crew.v1 import crew_discovery_pb2 as pb
from venturebots.crew.v1 import crew_discovery_pb2_grpc as pb_grpc

__all__ = ["CrewStream", "Incoming", "Outgoing", "Subscription", "open_crew_stream"]

_CONNECT_SECONDS: Final = 5.0

type Incoming = Update | Probe
"""What the operator says."""
type Outgoing = Answer | RevisionStats | ProbeOutcome
"""What it is answered."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who asks; `packages` are the digests of the installed manifests, by name."""

    instance_id: str
    version: str
    node: str
    packages: Mapping[str, str] = field(default_factory=dict)


class CrewStream:
    """One open call to one replica of the operator."""

    def __init__(self, connection: Connection, subscription: Subscription) -> None:
        self._outgoing: asyncio.Queue[pb.StreamRevisionsRequest] = asyncio.Queue()
        self._outgoing.put_nowait(
            pb.StreamRevisionsRequest(
                subscribe=pb.Subscribe(
                    instance_id=subscription.instance_id,
                    version=subscription.version,
                    node=subscription.node,
                    packages=dict(subscription.packages),
                )
            )
        )
        stub: Any = pb_grpc.CrewDiscoveryServiceStub(connection.channel)
        self._call = stub.StreamRevisions(metadata=connection.metadata())
        self._writing = asyncio.create_task(self._write(), name="answer the operator")

    def send(self, message: Outgoing) -> None:
        """Answer, in order; never waits."""
        self._outgoing.put_nowait(_request(message))

    async def messages(self) -> AsyncGenerator[Incoming]:
        """Give what the operator says until it ends the call.

        Raises RemoteError when the call is refused or lost.
        """
        with remote_errors():
            async for response in self._call:
                match response.WhichOneof("payload"):
                    case "update":
                        yield update_from_wire(response.update)
                    case "probe_request":
                        yield _probe(response.probe_request)
                    case _:  # of a later version
                        continue

    async def aclose(self) -> None:
        """End the call."""
        self._call.cancel()
        self._writing.cancel()
        await asyncio.gather(self._writing, return_exceptions=True)

    async def _write(self) -> None:
        # Whoever reads hears why the call ended. An iterator of requests, which gRPC
        # would read, outlives it.
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                await self._call.write(await self._outgoing.get())


@asynccontextmanager
async def open_crew_stream(
    address: str, *, token_file: Path | None, subscription: Subscription
) -> AsyncIterator[CrewStream]:
    """Dial one address and subscribe.

    Raises RemoteError when nobody answers there, ValueError or OSError when there is
    no token to show.
    """
    connection = connect(address, token_file=token_file)
    try:
        await _connected(connection)
        stream = CrewStream(connection, subscription)
        try:
            yield stream
        finally:
            await stream.aclose()
    finally:
        await connection.aclose()


async def _connected(connection: Connection) -> None:
    """Wait for the connection: an address that swallows packets says nothing."""
    channel = connection.channel
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            state = channel.get_state(try_to_connect=True)
            while state is not grpc.ChannelConnectivity.READY:
                if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                    break
                await channel.wait_for_state_change(state)
                state = channel.get_state()
            else:
                return
    except TimeoutError:
        pass
    raise RemoteError(
        f"nobody answers at {connection.address}",
        code="not_reached",
        retryable=True,
        is_told=False,
    )


def _probe(request: pb.ProbeRequest) -> Probe:
    return Probe(
        probe_id=request.probe_id,
        crew=request.crew,
        digest=request.digest,
        message=request.message if request.HasField("message") else None,
        timeout_seconds=request.timeout_seconds,
    )


def _request(message: Outgoing) -> pb.StreamRevisionsRequest:
    match message:
        case Answer(nonce=nonce, refusals=()):
            return pb.StreamRevisionsRequest(ack=pb.Ack(nonce=nonce))
        case Answer():
            refusals = [
                pb.Refusal(
                    crew=refusal.crew,
                    digest=refusal.digest,
                    document=refusal.document,
                    detail=refusal.detail,
                )
                for refusal in message.refusals
            ]
            nack = pb.Nack(nonce=message.nonce, refusals=refusals)
            return pb.StreamRevisionsRequest(nack=nack)
        case RevisionStats():
            stats = pb.Stats(
                crew=message.crew,
                digest=message.digest,
                candidate_digest=message.candidate_digest,
                turns=message.turns,
                errors=message.errors,
                durations=message.durations,
            )
            return pb.StreamRevisionsRequest(stats=stats)
        case ProbeOutcome():
            result = pb.ProbeResult(
                probe_id=message.probe_id,
                text=message.text,
                agents=message.agents,
                error=message.error,
                duration_ms=message.duration_ms,
            )
            return pb.StreamRevisionsRequest(probe_result=result)
        case _:
            assert_never(message)
