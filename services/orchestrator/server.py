"""The edge: protobuf to runs and back. The only module here that knows protobuf.

Events are encoded once, when they happen; every stream sends the same bytes. That
works because Run and WatchRun answer with one message shape.
"""

from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from typing import Any, Final, assert_never

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from libs.crewspec.compiled import Trigger
from libs.crewspec.compiler import CompiledSet
from libs.rpc import abort_on_error
from services.orchestrator import engine
from services.orchestrator.crews.registry import CrewRegistry
from services.orchestrator.engine import EndStatus, HistoryMessage, RunPlan, Speaker
from services.orchestrator.errors import InstanceMismatchError, InvalidRunError
from services.orchestrator.runs import events
from services.orchestrator.runs.events import RunEvent, RunStarted, RunState
from services.orchestrator.runs.registry import RunRegistry
from services.orchestrator.runs.run import RunRequest
from venturebots.common.v1 import error_pb2
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb

__all__ = ["SERVICE_NAME", "Servicer", "encode_event"]

SERVICE_NAME: Final = "venturebots.orchestrator.v1.OrchestratorService"
_STATUSES: Final = {"events_dropped": grpc.StatusCode.DATA_LOSS}
_MAX_ID_LENGTH: Final = 200
_TRACEPARENT: Final = "traceparent"
_MAX_TEXT: Final = 8_000
_MAX_HISTORY: Final = 2_000
_MAX_UINT32: Final = 2**32 - 1
_SPEAKERS: Final = {
    pb.ROLE_FOUNDER: Speaker.FOUNDER,
    pb.ROLE_COACH: Speaker.COACH,
}
_STATES: Final = {
    RunState.QUEUED: pb.RUN_STATE_QUEUED,
    RunState.ACTIVE: pb.RUN_STATE_ACTIVE,
    RunState.FINISHED: pb.RUN_STATE_FINISHED,
    RunState.FAILED: pb.RUN_STATE_FAILED,
    RunState.CANCELLED: pb.RUN_STATE_CANCELLED,
}
_STEP_STATUSES: Final = {
    EndStatus.COMPLETE: pb.STEP_STATUS_COMPLETE,
    EndStatus.FAILED: pb.STEP_STATUS_FAILED,
    EndStatus.CANCELLED: pb.STEP_STATUS_CANCELLED,
}
_MESSAGE_STATUSES: Final = {
    EndStatus.COMPLETE: pb.MESSAGE_STATUS_COMPLETE,
    EndStatus.FAILED: pb.MESSAGE_STATUS_FAILED,
    EndStatus.CANCELLED: pb.MESSAGE_STATUS_CANCELLED,
}

type _Context = grpc.aio.ServicerContext[Any, Any]


class Servicer:
    """Answers the OrchestratorService."""

    def __init__(
        self,
        *,
        instance_id: str,
        version: str,
        runs: RunRegistry,
        crews: CrewRegistry,
    ) -> None:
        self._instance_id = instance_id
        self._version = version
        self._runs = runs
        self._crews = crews

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register the service.

        Streams send bytes as they are. Requests come as bytes: gRPC would answer
        those it cannot read as UNKNOWN.
        """
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Run": grpc.unary_stream_rpc_method_handler(self.run),
            "WatchRun": grpc.unary_stream_rpc_method_handler(self.watch_run),
            "CancelRun": grpc.unary_unary_rpc_method_handler(
                self.cancel_run,
                response_serializer=pb.CancelRunResponse.SerializeToString,
            ),
            "GetRun": grpc.unary_unary_rpc_method_handler(
                self.get_run,
                response_serializer=pb.GetRunResponse.SerializeToString,
            ),
            "ListCrews": grpc.unary_unary_rpc_method_handler(
                self.list_crews,
                response_serializer=pb.ListCrewsResponse.SerializeToString,
            ),
        }
        handler = grpc.method_handlers_generic_handler(SERVICE_NAME, methods)
        server.add_generic_rpc_handlers((handler,))

    async def run(self, encoded: bytes, context: _Context) -> AsyncGenerator[bytes]:
        """Start a run, or attach to it when it is known, and stream its events."""
        async with abort_on_error(context, statuses=_STATUSES):
            request = _decoded(pb.RunRequest, encoded)
            self._check_instance(request.expected_instance_id)
            if not self._runs.knows(request.run_id):
                self._runs.refuse_unless_serving()
                traceparent = _traceparent(context)
                self._runs.start(self._run_request(request, traceparent))
            async for events_told in self._runs.follow(request.run_id, after_offset=0):
                yield events_told

    async def watch_run(
        self, encoded: bytes, context: _Context
    ) -> AsyncGenerator[bytes]:
        """Stream a known run's events after an offset."""
        async with abort_on_error(context, statuses=_STATUSES):
            request = _decoded(pb.WatchRunRequest, encoded)
            after = request.after_offset
            if traceparent := self._runs.traceparent(request.run_id):
                # A gateway that takes a run over goes on in its trace.
                await context.send_initial_metadata(((_TRACEPARENT, traceparent),))
            async for events_told in self._runs.follow(request.run_id, after):
                yield events_told

    async def cancel_run(
        self, encoded: bytes, context: _Context
    ) -> pb.CancelRunResponse:
        """Ask a run to stop; its stream tells its end."""
        async with abort_on_error(context):
            request = _decoded(pb.CancelRunRequest, encoded)
            if len(request.reason) > _MAX_ID_LENGTH:
                raise InvalidRunError(f"reason has at most {_MAX_ID_LENGTH} characters")
            state = self._runs.cancel(request.run_id, request.reason or "founder")
        return pb.CancelRunResponse(state=_STATES[state])

    async def get_run(self, encoded: bytes, context: _Context) -> pb.GetRunResponse:
        """Tell where a run stands."""
        async with abort_on_error(context):
            request = _decoded(pb.GetRunRequest, encoded)
            status = self._runs.status(request.run_id)
        return pb.GetRunResponse(
            state=_STATES[status.state],
            last_offset=status.last_offset,
            instance_id=self._instance_id,
        )

    async def list_crews(
        self, encoded: bytes, context: _Context
    ) -> pb.ListCrewsResponse:
        """Tell which process answers and what it serves."""
        async with abort_on_error(context):
            _decoded(pb.ListCrewsRequest, encoded)
        return pb.ListCrewsResponse(
            instance_id=self._instance_id,
            version=self._version,
            active_runs=self._runs.active_runs,
            queued_runs=self._runs.queued_runs,
            ready=self._runs.is_ready and not self._runs.is_draining,
            source=self._crews.source,
            crews=list(_crew_statuses(self._crews.in_force)),
            rejected=self._crews.rejected,
        )

    def _check_instance(self, expected: str) -> None:
        if expected and expected != self._instance_id:
            raise InstanceMismatchError(
                f"this is {self._instance_id!r}, the run was meant for {expected!r};"
                " nothing was executed"
            )

    def _run_request(self, request: pb.RunRequest, traceparent: str) -> RunRequest:
        for name, value in (
            ("run_id", request.run_id),
            ("session_id", request.session_id),
            ("founder_ref", request.founder_ref),
        ):
            if not 0 < len(value) <= _MAX_ID_LENGTH:
                raise InvalidRunError(
                    f"{name} must have 1 to {_MAX_ID_LENGTH} characters"
                )
        if len(request.history) > _MAX_HISTORY:
            raise InvalidRunError(f"history has at most {_MAX_HISTORY} messages")
        trigger, message = _trigger(request)
        pinned = self._crews.pin(
            name=request.crew, trigger=trigger, session_id=request.session_id
        )
        plan = RunPlan(
            run_id=request.run_id,
            session_id=request.session_id,
            founder_ref=request.founder_ref,
            message=message,
            crew=pinned.crew,
            live=pinned.live,
            history=tuple(_history_message(entry) for entry in request.history),
            backlog=tuple(_history_message(entry) for entry in request.backlog),
            summary=request.summary.text if request.HasField("summary") else None,
            finished_steps={step.task: step.output for step in request.finished_steps},
        )
        return RunRequest(
            plan=plan,
            deadline=_deadline(request),
            run_timeout_seconds=pinned.run_timeout_seconds,
            traceparent=traceparent,
            started=RunStarted(
                crew=pinned.crew.name,
                digest=pinned.crew.digest,
                generations=pinned.generations,
                instance_id=self._instance_id,
            ),
        )


def _crew_statuses(in_force: CompiledSet) -> Iterator[pb.CrewStatus]:
    for name in dict.fromkeys((*in_force.crews, *in_force.candidates)):
        stable, candidate = in_force.crews.get(name), in_force.candidates.get(name)
        told = stable or (candidate.crew if candidate else None)
        yield pb.CrewStatus(
            name=name,
            digest=stable.digest if stable else "",
            description=told.description if told else "",
            candidate_digest=candidate.crew.digest if candidate else "",
            candidate_weight=candidate.weight if candidate else 0,
        )


def _traceparent(context: _Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == _TRACEPARENT and isinstance(value, str):
            return value
    return ""


def _decoded[M: Message](kind: type[M], encoded: bytes) -> M:
    try:
        return kind.FromString(encoded)
    except DecodeError as error:
        raise InvalidRunError(f"these bytes are no {kind.__name__}") from error


def _trigger(request: pb.RunRequest) -> tuple[Trigger, str | None]:
    match request.WhichOneof("trigger"):
        case "opening":
            return Trigger.OPENING, None
        case "message":
            if not 0 < len(request.message.text) <= _MAX_TEXT:
                raise InvalidRunError(f"text must have 1 to {_MAX_TEXT} characters")
            return Trigger.MESSAGE, request.message.text
        case None:
            raise InvalidRunError("the run has no trigger")
        case unknown:
            assert_never(unknown)


def _history_message(entry: pb.HistoryMessage) -> HistoryMessage:
    speaker = _SPEAKERS.get(entry.role)
    if speaker is None:
        raise InvalidRunError("a message of the history says not who spoke")
    return HistoryMessage(speaker=speaker, text=entry.text, seq=entry.seq)


def _deadline(request: pb.RunRequest) -> datetime | None:
    if not request.HasField("deadline"):
        return None
    try:
        return request.deadline.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRunError("the deadline is no moment") from error


def encode_event(offset: int, at_ns: int, event: RunEvent) -> bytes:
    """Make the wire form of an event, the same for Run and WatchRun.

    Wire forms may be joined: the result is one response with all their events.
    """
    encoded = pb.RunEvent(**_payload(event))
    encoded.offset = offset
    encoded.ts.FromNanoseconds(at_ns)
    return pb.RunResponse(events=[encoded]).SerializeToString()


def _payload(event: RunEvent) -> dict[str, Any]:
    match event:
        case engine.MessageDelta():
            return {
                "message_delta": {"message_id": event.message_id, "text": event.text}
            }
        case engine.MessageStarted() | events.MessageEnded():
            return _message_payload(event)
        case engine.StepStarted() | engine.StepFinished():
            return _step_payload(event)
        case engine.ToolStarted() | engine.ToolFinished():
            return _tool_payload(event)
        case engine.SuggestionsOffered():
            offered = [
                {"label": suggestion.label, "text": suggestion.text}
                for suggestion in event.suggestions
            ]
            content = {"message_id": event.message_id, "suggestions": offered}
            return {"suggestions": content}
        case engine.UsageTold():
            return {
                "usage": {
                    "model": event.model,
                    "prompt_tokens": event.prompt_tokens,
                    "completion_tokens": event.completion_tokens,
                }
            }
        case engine.SummaryUpdated():
            return {"summary_updated": {"text": event.text, "upto_seq": event.upto_seq}}
        case _:
            return _run_payload(event)


def _message_payload(
    event: engine.MessageStarted | events.MessageEnded,
) -> dict[str, Any]:
    match event:
        case engine.MessageStarted():
            content = {"message_id": event.message_id, "agent": event.agent}
            return {"message_started": content}
        case events.MessageEnded():
            return {
                "message_finished": {
                    "message_id": event.message_id,
                    "status": _MESSAGE_STATUSES[event.status],
                    "length": event.length,
                }
            }
        case _:
            assert_never(event)


def _step_payload(event: engine.StepStarted | engine.StepFinished) -> dict[str, Any]:
    match event:
        case engine.StepStarted():
            return {
                "step_started": {
                    "step_id": event.step_id,
                    "task": event.task,
                    "agent": event.agent,
                    "title": event.title,
                }
            }
        case engine.StepFinished():
            return {
                "step_finished": {
                    "step_id": event.step_id,
                    "status": _STEP_STATUSES[event.status],
                    "duration_ms": event.duration_ms,
                    "output": event.output,
                    "task": event.task,
                    "reused": event.reused,
                }
            }
        case _:
            assert_never(event)


def _tool_payload(event: engine.ToolStarted | engine.ToolFinished) -> dict[str, Any]:
    match event:
        case engine.ToolStarted():
            return {
                "tool_started": {
                    "tool_call_id": event.tool_call_id,
                    "step_id": event.step_id,
                    "tool": event.tool,
                    "title": event.title,
                }
            }
        case engine.ToolFinished():
            return {
                "tool_finished": {
                    "tool_call_id": event.tool_call_id,
                    "status": _STEP_STATUSES[event.status],
                    "duration_ms": event.duration_ms,
                }
            }
        case _:
            assert_never(event)


def _run_payload(
    event: events.RunQueued | events.RunStarted | events.RunOutcome,
) -> dict[str, Any]:
    match event:
        case events.RunQueued():
            return {"run_queued": {"position": event.position}}
        case events.RunStarted():
            return {
                "run_started": {
                    "crew": event.crew,
                    "digest": event.digest,
                    "generations": event.generations,
                    "instance_id": event.instance_id,
                }
            }
        case events.RunFinished():
            return {"run_finished": {}}
        case events.RunFailed():
            error = error_pb2.Error(
                code=event.error.code,
                detail=event.error.detail,
                retryable=event.error.retryable,
                retry_after_ms=_bounded(event.error.retry_after_ms),
            )
            return {"run_failed": {"error": error}}
        case events.RunCancelled():
            return {"run_cancelled": {"reason": event.reason}}
        case _:
            assert_never(event)


def _bounded(retry_after_ms: int | None) -> int:
    """A delay as the protocol holds it; a provider may ask for any."""
    return min(max(0, retry_after_ms or 0), _MAX_UINT32)
