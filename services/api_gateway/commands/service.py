"""Carries out commands: charge, store, then wake or stop what has to run."""

import hashlib
import json
from typing import Protocol, assert_never
from uuid import UUID

import structlog

from services.api_gateway.limits import Limits
from services.api_gateway.store import (
    ActiveRun,
    CommandKey,
    DeletedSession,
    NewSession,
    SessionResult,
    Store,
    WhenBusy,
)
from services.api_gateway.telemetry import GatewayTelemetry
from services.api_gateway.wire.base import WireModel
from services.api_gateway.wire.commands import (
    BranchSession,
    BranchSessionBody,
    CancelRunBody,
    Command,
    CreateSession,
    CreateSessionBody,
    DeleteSession,
    FeedbackBody,
    RetryRunBody,
    RunCancel,
    RunRetry,
    SendFeedback,
    SendMessage,
    SendMessageBody,
    UpdateSession,
    UpdateSessionBody,
)
from services.api_gateway.wire.frames import AckFrame, SessionSnapshot
from services.api_gateway.wire.views import Accepted, Branched, RunAccepted

__all__ = ["CommandService", "RunControl"]


class RunControl(Protocol):
    """What commands need of the process that carries runs."""

    def wake(self) -> None:
        """A run may be runnable now."""

    async def stop_run(self, active: ActiveRun, reason: str) -> None:
        """Tell the orchestrator of a run to stop it."""


class CommandService:
    """One method per command; `execute` serves the socket.

    A repeated request id gives the first result whichever way it comes, because
    the digest is taken over parsed values and the route is the command's type.
    """

    def __init__(
        self,
        *,
        store: Store,
        runs: RunControl,
        limits: Limits,
        when_busy: WhenBusy,
        telemetry: GatewayTelemetry | None = None,
    ) -> None:
        self._store = store
        self._runs = runs
        self._limits = limits
        self._when_busy = when_busy
        self._telemetry = telemetry or GatewayTelemetry.unread()

    async def execute(self, founder_id: str, command: Command) -> AckFrame:
        """Carry out a socket's command; raises what the single methods raise."""
        request_id = str(command.request_id)
        match command:
            case CreateSession() | UpdateSession() | DeleteSession() | BranchSession():
                return await self._execute_on_sessions(founder_id, command)
            case SendMessage(session_id=session_id):
                accepted = await self.send_message(founder_id, session_id, command)
                return AckFrame(
                    request_id=request_id,
                    session_id=session_id,
                    message_id=accepted.message_id,
                    run_id=accepted.run_id,
                    position=accepted.position,
                    seq=accepted.seq,
                )
            case RunCancel(run_id=run_id):
                cancelled = await self.cancel_run(founder_id, run_id, command)
                return _run_ack(request_id, cancelled)
            case RunRetry(run_id=run_id):
                retried = await self.retry_run(founder_id, run_id, command)
                return _run_ack(request_id, retried)
            case SendFeedback(message_id=message_id):
                seq = await self.rate_message(founder_id, message_id, command)
                return AckFrame(request_id=request_id, message_id=message_id, seq=seq)
            case _:
                assert_never(command)

    async def _execute_on_sessions(
        self,
        founder_id: str,
        command: CreateSession | UpdateSession | DeleteSession | BranchSession,
    ) -> AckFrame:
        request_id = str(command.request_id)
        match command:
            case CreateSession():
                created = await self.create_session(founder_id, command)
                return _session_ack(request_id, created)
            case UpdateSession(session_id=session_id):
                updated = await self.update_session(founder_id, session_id, command)
                return _session_ack(request_id, updated)
            case DeleteSession(session_id=session_id):
                deleted = await self.delete_session(
                    founder_id, session_id, command.request_id
                )
                return AckFrame(
                    request_id=request_id,
                    session_id=session_id,
                    seq=deleted.founder_seq,
                )
            case BranchSession(session_id=session_id):
                branched = await self.branch_session(founder_id, session_id, command)
                return AckFrame(
                    request_id=request_id,
                    session_id=branched.session.session_id,
                    message_id=branched.message_id,
                    run_id=branched.run_id,
                    seq=branched.seq,
                )
            case _:
                assert_never(command)

    async def create_session(
        self, founder_id: str, body: CreateSessionBody
    ) -> SessionResult:
        """Create a session; raises `RateLimitedError`."""
        await self._limits.charge_session(founder_id, body.request_id)
        result = await self._store.create_session(
            _key(founder_id, "session.create", body),
            NewSession(title=body.title, has_opening=body.opening),
        )
        self._telemetry.note_origin(result.run_id)
        self._runs.wake()
        return result

    async def update_session(
        self, founder_id: str, session_id: str, body: UpdateSessionBody
    ) -> SessionResult:
        """Rename or archive; raises `SessionUnknownError` and `RateLimitedError`."""
        await self._limits.charge_change(
            founder_id, body.request_id, route="session.update"
        )
        return await self._store.update_session(
            _key(founder_id, "session.update", body, session_id=session_id),
            session_id,
            title=body.title,
            is_archived=body.archived,
            is_pinned=body.pinned,
        )

    async def delete_session(
        self, founder_id: str, session_id: str, request_id: UUID | None
    ) -> DeletedSession:
        """Delete for good and stop its runs; raises `SessionUnknownError`."""
        key = CommandKey(
            founder_id=founder_id,
            route="session.delete",
            request_id=str(request_id) if request_id else None,
            body_digest=_digest({"session_id": session_id}),
        )
        deleted = await self._store.delete_session(key, session_id)
        for active in deleted.active_runs:
            await self._runs.stop_run(active, "session_deleted")
        return deleted

    async def send_message(
        self, founder_id: str, session_id: str, body: SendMessageBody
    ) -> Accepted:
        """Store a message and the run that will answer it.

        Raises `SessionUnknownError`, `RateLimitedError`, `SessionBusyError`,
        `QueueFullError` and `StoreUnavailableError`.
        """
        await self._limits.charge_message(founder_id, body.request_id)
        accepted = await self._store.accept_message(
            _key(founder_id, "message.send", body, session_id=session_id),
            session_id,
            body.text,
            self._when_busy,
        )
        # Known to be one: anybody may send any text for an id.
        structlog.contextvars.bind_contextvars(session_id=session_id)
        self._telemetry.note_origin(accepted.run_id)
        if self._when_busy is WhenBusy.INTERRUPT:
            await self._interrupt(founder_id, session_id, accepted.run_id)
        self._runs.wake()
        return accepted

    async def branch_session(
        self, founder_id: str, session_id: str, body: BranchSessionBody
    ) -> Branched:
        """Begin a session with a copy of another up to a message, and say more.

        It counts as a session and as a message. Raises `SessionUnknownError`,
        `MessageUnknownError`, `NotBranchableError`, `SessionBusyError`,
        `RateLimitedError` and `StoreUnavailableError`.
        """
        await self._limits.charge_branch(founder_id, body.request_id)
        branched = await self._store.branch_session(
            _key(founder_id, "session.branch", body, session_id=session_id),
            session_id,
            body.message_id,
            body.text,
        )
        self._telemetry.note_origin(branched.run_id)
        self._runs.wake()
        return branched

    async def cancel_run(
        self, founder_id: str, run_id: str, body: CancelRunBody
    ) -> RunAccepted:
        """Stop a run; raises `RunUnknownError`."""
        key = _key(founder_id, "run.cancel", body, run_id=run_id)
        return await self._cancel(key, run_id, "founder")

    async def retry_run(
        self, founder_id: str, run_id: str, body: RetryRunBody
    ) -> RunAccepted:
        """Run again; raises `RunUnknownError` and `NotRetryableRunError`."""
        await self._limits.charge_retry(founder_id, body.request_id)
        accepted = await self._store.retry_run(
            _key(founder_id, "run.retry", body, run_id=run_id), run_id
        )
        self._telemetry.note_origin(accepted.run_id)
        self._runs.wake()
        return accepted

    async def rate_message(
        self, founder_id: str, message_id: str, body: FeedbackBody
    ) -> int:
        """Rate a reply.

        Raises `MessageUnknownError`, `NotRatableError` and `RateLimitedError`.
        """
        await self._limits.charge_change(
            founder_id, body.request_id, route="message.feedback"
        )
        return await self._store.rate_message(
            _key(founder_id, "message.feedback", body, message_id=message_id),
            message_id,
            body.value,
            body.comment,
        )

    async def _cancel(self, key: CommandKey, run_id: str, reason: str) -> RunAccepted:
        decision = await self._store.cancel_run(key, run_id, reason)
        if decision.active is not None:
            await self._runs.stop_run(decision.active, reason)
        self._runs.wake()
        return decision.accepted

    async def _interrupt(self, founder_id: str, session_id: str, run_id: str) -> None:
        """Stop whatever the session was doing before the new run."""
        snapshot = await self._store.snapshot(f"session:{session_id}")
        runs = snapshot.data.runs if isinstance(snapshot.data, SessionSnapshot) else []
        earlier = [run.run_id for run in runs if not run.state.is_final]
        if run_id not in earlier:
            return
        for earlier_id in earlier[: earlier.index(run_id)]:
            key = CommandKey(
                founder_id=founder_id,
                route="run.cancel",
                request_id=None,
                body_digest=_digest({"run_id": earlier_id}),
            )
            await self._cancel(key, earlier_id, "interrupted")


def _key(founder_id: str, route: str, body: WireModel, **ids: str) -> CommandKey:
    values = body.model_dump(mode="json", exclude={"type", "request_id"})
    request_id = getattr(body, "request_id", None)
    return CommandKey(
        founder_id=founder_id,
        route=route,
        request_id=str(request_id) if request_id else None,
        body_digest=_digest(values | ids),
    )


def _digest(values: dict[str, object]) -> str:
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _session_ack(request_id: str, result: SessionResult) -> AckFrame:
    return AckFrame(
        request_id=request_id,
        session_id=result.session.session_id,
        run_id=result.run_id,
        seq=result.seq,
    )


def _run_ack(request_id: str, accepted: RunAccepted) -> AckFrame:
    return AckFrame(request_id=request_id, run_id=accepted.run_id, seq=accepted.seq)
