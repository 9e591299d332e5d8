"""The gateway's only use of gRPC: one orchestrator process at one address."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from libs.rpc.channel import Connection
from libs.rpc.errors import RemoteError, remote_errors
from services.api_gateway.clients.run_events import proposals_of
from services.api_gateway.store import HistoryMessage, RunProposal, RunWork
from services.api_gateway.wire.views import Role, RunTrigger
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb
from venturebots.orchestrator.v1 import orchestrator_service_pb2_grpc as pb_grpc

__all__ = [
    "UNREACHED",
    "CrewInForce",
    "OrchestratorClient",
    "OrchestratorDescription",
]

UNARY_TIMEOUT_SECONDS = 2.0
UNREACHED = "orchestrator_unreached"
"""Code of a run that was not sent, as nobody answers at the address."""
_TRACEPARENT = "traceparent"

_ROLES = {Role.FOUNDER: pb.ROLE_FOUNDER, Role.COACH: pb.ROLE_COACH}


@dataclass(frozen=True, slots=True)
class CrewInForce:
    """A crew an orchestrator serves."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class OrchestratorDescription:
    """Which process answered and how busy it was."""

    instance_id: str
    version: str
    active_runs: int
    queued_runs: int
    is_ready: bool
    source: str
    crews: tuple[CrewInForce, ...]
    rejected: tuple[str, ...]


class OrchestratorClient:
    """Speaks to one address; failures are raised as `libs.rpc.RemoteError`."""

    def __init__(self, connection: Connection) -> None:
        self.address = connection.address
        self._connection = connection
        self._stub = pb_grpc.OrchestratorServiceStub(connection.channel)

    async def aclose(self) -> None:
        """Close the channel; runs go on at the other end."""
        await self._connection.aclose()

    async def describe(self) -> OrchestratorDescription:
        """Ask which process answers, how busy it is and what it serves."""
        with remote_errors():
            answer = await self._stub.ListCrews(
                pb.ListCrewsRequest(),
                timeout=UNARY_TIMEOUT_SECONDS,
                metadata=self._connection.metadata(),
            )
        return OrchestratorDescription(
            instance_id=answer.instance_id,
            version=answer.version,
            active_runs=answer.active_runs,
            queued_runs=answer.queued_runs,
            is_ready=answer.ready,
            source=answer.source,
            crews=tuple(CrewInForce(crew.name, crew.digest) for crew in answer.crews),
            rejected=tuple(answer.rejected),
        )

    async def run(
        self,
        work: RunWork,
        *,
        founder_ref: str,
        instance_id: str,
        deadline: datetime,
        traceparent: str = "",
    ) -> AsyncGenerator[Sequence[RunProposal]]:
        """Execute a run there and follow it; losing the call does not stop it.

        Raises RemoteError with the code `UNREACHED` when nothing was sent.
        """
        await self._connected()
        request = _run_request(work, founder_ref, instance_id, deadline)
        metadata = self._connection.metadata()
        if traceparent:
            metadata = (*metadata, (_TRACEPARENT, traceparent))
        call = self._stub.Run(request, metadata=metadata)
        with _released(call), remote_errors():
            async for response in call:
                yield proposals_of(response.events)

    async def _connected(self) -> None:
        """Wait for the connection, without which nothing can have been sent."""
        channel = self._connection.channel
        is_answered = False
        with suppress(TimeoutError):
            async with asyncio.timeout(UNARY_TIMEOUT_SECONDS):
                is_answered = await _is_connected(channel)
        if not is_answered:
            raise RemoteError(
                f"nobody answers at {self.address}",
                code=UNREACHED,
                retryable=True,
                is_told=False,
            )

    async def watch(
        self, run_id: str, *, after_offset: int, attached: Callable[[str], None]
    ) -> AsyncGenerator[Sequence[RunProposal]]:
        """Follow a run that was dispatched here earlier.

        `attached` is called once the other end answers, with the run's span.
        """
        call = self._stub.WatchRun(
            pb.WatchRunRequest(run_id=run_id, after_offset=after_offset),
            metadata=self._connection.metadata(),
        )
        with _released(call), remote_errors():
            attached(_traceparent(await call.initial_metadata()))
            async for response in call:
                yield proposals_of(response.events)

    async def cancel(self, run_id: str, *, reason: str) -> None:
        """Stop a run; its end is told on its own stream."""
        with remote_errors():
            await self._stub.CancelRun(
                pb.CancelRunRequest(run_id=run_id, reason=reason),
                timeout=UNARY_TIMEOUT_SECONDS,
                metadata=self._connection.metadata(),
            )


async def _is_connected(channel: grpc.aio.Channel) -> bool:
    """Whether an attempt to connect, if one is needed, succeeds."""
    while True:
        state = channel.get_state(try_to_connect=True)
        match state:
            case grpc.ChannelConnectivity.READY:
                return True
            case (
                grpc.ChannelConnectivity.TRANSIENT_FAILURE
                | grpc.ChannelConnectivity.SHUTDOWN
            ):
                return False
            case _:
                await channel.wait_for_state_change(state)


@contextmanager
def _released(call: grpc.aio.Call) -> Iterator[None]:
    """Give a call's resources back however the reader leaves."""
    try:
        yield
    finally:
        call.cancel()


def _traceparent(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    for key, value in metadata or ():
        if key == _TRACEPARENT and isinstance(value, str):
            return value
    return ""


def _run_request(
    work: RunWork, founder_ref: str, instance_id: str, deadline: datetime
) -> pb.RunRequest:
    until = Timestamp()
    until.FromDatetime(deadline)
    request = pb.RunRequest(
        run_id=work.run_id,
        session_id=work.session_id,
        founder_ref=founder_ref,
        history=_talk(work.history),
        backlog=_talk(work.backlog),
        deadline=until,
        expected_instance_id=instance_id,
        finished_steps=[
            pb.FinishedStep(task=step.task, output=step.output)
            for step in work.finished_steps
        ],
    )
    match work.trigger:
        case RunTrigger.OPENING:
            request.opening.SetInParent()
        case RunTrigger.MESSAGE:
            request.message.message_id = work.message_id or ""
            request.message.text = work.text or ""
    if work.summary is not None:
        request.summary.text = work.summary.text
        request.summary.upto_seq = work.summary.upto_seq
    return request


def _talk(messages: Sequence[HistoryMessage]) -> list[pb.HistoryMessage]:
    return [
        pb.HistoryMessage(role=_ROLES[message.role], text=message.text, seq=message.seq)
        for message in messages
    ]
