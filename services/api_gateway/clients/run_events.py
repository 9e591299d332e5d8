"""A run's protobuf events as the proposals the store decides on."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from services.api_gateway.store import RunProposal
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb

__all__ = ["UNKNOWN_TYPE", "proposals_of"]

UNKNOWN_TYPE = "unknown"

_STEP_STATUS = {
    pb.STEP_STATUS_COMPLETE: "complete",
    pb.STEP_STATUS_FAILED: "failed",
    pb.STEP_STATUS_CANCELLED: "cancelled",
}

_MESSAGE_STATUS = {
    pb.MESSAGE_STATUS_COMPLETE: "complete",
    pb.MESSAGE_STATUS_CANCELLED: "cancelled",
    pb.MESSAGE_STATUS_INTERRUPTED: "interrupted",
    pb.MESSAGE_STATUS_FAILED: "failed",
}


def _run_queued(event: pb.RunEvent) -> dict[str, Any]:
    return {"position": event.run_queued.position}


def _run_started(event: pb.RunEvent) -> dict[str, Any]:
    started = event.run_started
    return {
        "crew": started.crew,
        "digest": started.digest,
        "generations": dict(started.generations),
    }


def _step_started(event: pb.RunEvent) -> dict[str, Any]:
    step = event.step_started
    return {
        "step_id": step.step_id,
        "task": step.task,
        "agent": step.agent,
        "title": step.title,
    }


def _step_finished(event: pb.RunEvent) -> dict[str, Any]:
    step = event.step_finished
    return {
        "step_id": step.step_id,
        "status": _STEP_STATUS.get(step.status, "failed"),
        "duration_ms": step.duration_ms,
        "reused": step.reused,
    }


def _tool_started(event: pb.RunEvent) -> dict[str, Any]:
    tool = event.tool_started
    return {
        "tool_call_id": tool.tool_call_id,
        "step_id": tool.step_id,
        "tool": tool.tool,
        "title": tool.title,
    }


def _tool_finished(event: pb.RunEvent) -> dict[str, Any]:
    tool = event.tool_finished
    return {
        "tool_call_id": tool.tool_call_id,
        "status": _STEP_STATUS.get(tool.status, "failed"),
        "duration_ms": tool.duration_ms,
    }


def _message_started(event: pb.RunEvent) -> dict[str, Any]:
    message = event.message_started
    return {"message_id": message.message_id, "agent": message.agent}


def _message_delta(event: pb.RunEvent) -> dict[str, Any]:
    delta = event.message_delta
    return {"message_id": delta.message_id, "text": delta.text}


def _message_finished(event: pb.RunEvent) -> dict[str, Any]:
    message = event.message_finished
    return {
        "message_id": message.message_id,
        "status": _MESSAGE_STATUS.get(message.status, "failed"),
        "length": message.length,
    }


def _suggestions(event: pb.RunEvent) -> dict[str, Any]:
    offered = event.suggestions
    return {
        "message_id": offered.message_id,
        "suggestions": [
            {
                "label": suggestion.label,
                "command": {"type": "message.send", "text": suggestion.text},
            }
            for suggestion in offered.suggestions
        ],
    }


def _usage(event: pb.RunEvent) -> dict[str, Any]:
    usage = event.usage
    return {
        "model": usage.model,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }


def _summary_updated(event: pb.RunEvent) -> dict[str, Any]:
    summary = event.summary_updated
    return {"text": summary.text, "upto_seq": summary.upto_seq}


def _run_finished(_event: pb.RunEvent) -> dict[str, Any]:
    return {}


def _run_failed(event: pb.RunEvent) -> dict[str, Any]:
    error = event.run_failed.error
    return {
        "code": error.code,
        "detail": error.detail,
        "retryable": error.retryable,
        "retry_after_ms": error.retry_after_ms or None,
    }


def _run_cancelled(event: pb.RunEvent) -> dict[str, Any]:
    return {"reason": event.run_cancelled.reason}


_TRANSLATIONS: dict[str, tuple[str, Callable[[pb.RunEvent], dict[str, Any]]]] = {
    "message_delta": ("message.delta", _message_delta),
    "run_queued": ("run.queued", _run_queued),
    "run_started": ("run.started", _run_started),
    "step_started": ("step.started", _step_started),
    "step_finished": ("step.finished", _step_finished),
    "tool_started": ("tool.started", _tool_started),
    "tool_finished": ("tool.finished", _tool_finished),
    "message_started": ("message.started", _message_started),
    "message_finished": ("message.finished", _message_finished),
    "suggestions": ("suggestions", _suggestions),
    "usage": ("usage", _usage),
    "summary_updated": ("summary.updated", _summary_updated),
    "run_finished": ("run.finished", _run_finished),
    "run_failed": ("run.failed", _run_failed),
    "run_cancelled": ("run.cancelled", _run_cancelled),
}


def proposals_of(events: Iterable[pb.RunEvent]) -> list[RunProposal]:
    """Translate events in order.

    A payload this version does not know keeps its offset, for offsets are dense.
    """
    proposals = []
    for event in events:
        payload = event.WhichOneof("payload")
        if payload is None:
            proposals.append(RunProposal(event.offset, UNKNOWN_TYPE, {}))
            continue
        type_, translate = _TRANSLATIONS[payload]
        proposal = RunProposal(event.offset, type_, translate(event))
        if payload == "step_finished":
            step = event.step_finished
            proposal = replace(proposal, output=step.output, task=step.task)
        proposals.append(proposal)
    return proposals
