"""What the gateway's parts report to: metrics, spans and the ids of log lines."""

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Self

import structlog
from prometheus_client import CollectorRegistry

from libs.errors import VentureBotsError
from libs.telemetry import (
    NO_TRACER,
    ProcessIdentity,
    SpanKind,
    Tracer,
    create_registry,
    current_traceparent,
    open_tracer,
    trace_id_of,
)
from services.api_gateway.metrics import GatewayMetrics

__all__ = ["GatewayTelemetry"]

_logger = structlog.get_logger(__name__)

_REMEMBERED_ORIGINS: Final = 10_000


@dataclass(frozen=True, slots=True)
class GatewayTelemetry:
    """One process's metrics and tracer, and which command a run came from."""

    metrics: GatewayMetrics
    tracer: Tracer = NO_TRACER
    is_caller_trusted: bool = False
    """Whether a request's `traceparent` is continued rather than linked to."""
    _origins: OrderedDict[str, str] = field(default_factory=OrderedDict)

    @classmethod
    def open(cls, identity: ProcessIdentity, *, is_caller_trusted: bool) -> Self:
        """Measure this process, and trace it when the environment says so."""
        return cls(
            metrics=GatewayMetrics(create_registry(identity)),
            tracer=open_tracer(identity),
            is_caller_trusted=is_caller_trusted,
        )

    @classmethod
    def unread(cls) -> Self:
        """Metrics that nobody asks for, for parts that stand alone."""
        return cls(metrics=GatewayMetrics(CollectorRegistry()))

    def note_origin(self, run_id: str | None) -> None:
        """Remember that the command being carried out led to a run."""
        if run_id is None:
            return
        structlog.contextvars.bind_contextvars(run_id=run_id)
        traceparent = current_traceparent.get()
        if not traceparent:
            return
        self._origins[run_id] = traceparent
        while len(self._origins) > _REMEMBERED_ORIGINS:
            self._origins.popitem(last=False)

    def take_origin(self, run_id: str) -> str:
        """The command's span a run came from; empty when it is not known here."""
        return self._origins.pop(run_id, "")

    @contextmanager
    def command(self, command_type: str, request_id: str | None) -> Iterator[None]:
        """Measure one socket command, in a task of its own."""
        span = self.tracer.start(
            command_type,
            kind=SpanKind.SERVER,
            attributes={"network.protocol.name": "websocket"},
        )
        current_traceparent.set(span.traceparent)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        if span.traceparent:
            trace_id = trace_id_of(span.traceparent)
            structlog.contextvars.bind_contextvars(trace_id=trace_id)
        began, code = time.perf_counter(), "ok"
        try:
            yield
        except VentureBotsError as error:
            code = error.code
            raise
        except Exception:
            code = VentureBotsError.code
            raise
        finally:
            self.metrics.commands.labels(command_type, code).inc()
            if code != "ok":
                span.fail(code)
            span.end()
            duration_ms = round((time.perf_counter() - began) * 1_000, 1)
            _logger.debug(
                "command", type=command_type, code=code, duration_ms=duration_ms
            )
