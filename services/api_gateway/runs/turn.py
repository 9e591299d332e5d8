"""What is measured and traced of one run that the gateway carries."""

import time
from collections.abc import Sequence
from datetime import datetime

import structlog

from libs.telemetry import NO_SPAN, Attributes, SpanKind, trace_id_of
from services.api_gateway.founders.reference import founder_ref
from services.api_gateway.store import Appended, RunProposal, RunWork
from services.api_gateway.telemetry import GatewayTelemetry
from services.api_gateway.wire.events import TERMINAL_TYPES

__all__ = ["Turn"]

_logger = structlog.get_logger(__name__)

_SERVICE = "venturebots.orchestrator.v1.OrchestratorService"
_CANCELLED = "cancelled"
_GONE = "gone"
"""The run was over, or deleted, before its orchestrator told its end."""


class Turn:
    """One run from its claim, or its adoption, to its end; told by its pump."""

    def __init__(
        self, telemetry: GatewayTelemetry, run_id: str, work: RunWork | None = None
    ) -> None:
        """Begin a turn; without its work the run was adopted."""
        self._metrics = telemetry.metrics
        self._tracer = telemetry.tracer
        self._run_id = run_id
        self._work = work
        self._run = self._call = NO_SPAN
        self._is_ended = False
        self._awaits_text = work is not None
        self._accepted_at = (
            None
            if work is None
            else datetime.fromisoformat(work.created_at).timestamp()
        )
        if work is not None and self._tracer.is_on:
            self._begin_run(telemetry.take_origin(run_id))

    def bind(self) -> None:
        """Put the run's ids into every line its task logs."""
        structlog.contextvars.bind_contextvars(run_id=self._run_id)
        if self._work is not None:
            structlog.contextvars.bind_contextvars(
                session_id=self._work.session_id,
                founder_ref=founder_ref(self._work.founder_id),
            )
        self._bind_trace()

    def dispatched(self, address: str) -> str:
        """Begin the call that executes the run; returns what it carries along."""
        self._begin_call("Run", address)
        return self._call.traceparent

    def attached(self, address: str, traceparent: str) -> None:
        """Take over, or go on, where the orchestrator says the run is traced."""
        if self._tracer.is_on and not self._run.traceparent:
            self._begin_run(traceparent)
            self._bind_trace()
        self._begin_call("WatchRun", address)

    def take(self, proposals: Sequence[RunProposal], appended: Appended) -> None:
        """Hear of proposals that were decided on and stored."""
        if self._awaits_text and any(
            proposal.type == "message.delta" for proposal in proposals
        ):
            self._awaits_text = False
            self._metrics.first_text_seconds.observe(self._age_seconds())
        if appended.is_over:
            last = proposals[-1] if proposals else None
            if last is None or last.type not in TERMINAL_TYPES:
                self.end(_GONE)
            else:
                code = str(last.data.get("code", ""))
                self.end(last.type.removeprefix("run."), code)

    def end(self, outcome: str, code: str = "") -> None:
        """Hear of the run's end; a second time is ignored."""
        if self._is_ended:
            return
        self._is_ended = True
        self._metrics.turns.labels(outcome, code).inc()
        if self._accepted_at is not None:
            self._metrics.turn_seconds.observe(self._age_seconds())
        if self._tracer.is_on and not self._run.traceparent:
            self._begin_run("")
        _logger.info("turn ended", outcome=outcome, code=code)
        self._run.put({"venturebots.run.outcome": outcome})
        for span in (self._call, self._run):
            if code or outcome == _CANCELLED:
                span.fail(code or outcome)
            span.end()

    def leave(self) -> None:
        """Let go of a run that goes on without this gateway."""
        for span in (self._call, self._run):
            span.end()

    def _age_seconds(self) -> float:
        # Two readings of one machine's clock; set back, it tells zero.
        return max(0.0, time.time() - (self._accepted_at or 0.0))

    def _bind_trace(self) -> None:
        if self._run.traceparent:
            trace_id = trace_id_of(self._run.traceparent)
            structlog.contextvars.bind_contextvars(trace_id=trace_id)

    def _begin_run(self, parent: str) -> None:
        attributes: dict[str, str | bool] = {
            "venturebots.run.id": self._run_id,
            "venturebots.run.is_adopted": self._work is None,
        }
        if self._work is not None:
            attributes["gen_ai.conversation.id"] = self._work.session_id
            attributes["venturebots.founder.ref"] = founder_ref(self._work.founder_id)
            attributes["venturebots.run.trigger"] = self._work.trigger.value
        self._run = self._tracer.start("run", parent=parent, attributes=attributes)

    def _begin_call(self, method: str, address: str) -> None:
        if not self._tracer.is_on:
            return
        self._call.end()
        attributes: Attributes = {
            "rpc.system": "grpc",
            "rpc.service": _SERVICE,
            "rpc.method": method,
            "server.address": address,
        }
        self._call = self._tracer.start(
            f"{_SERVICE}/{method}",
            kind=SpanKind.CLIENT,
            parent=self._run.traceparent,
            attributes=attributes,
        )
