"""The tracer on OpenTelemetry's SDK, sending OTLP over gRPC.

Sampling, headers, batches and resource attributes follow the SDK's standard
variables. The provider stays private: libraries that trace by themselves find
none, so nothing is exported but our own spans.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Status, StatusCode
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanKind as OtelKind
from opentelemetry.trace.propagation import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from libs.telemetry.identity import ProcessIdentity
from libs.telemetry.tracing import Attributes, Span, SpanKind

__all__ = ["OtlpTracer"]

_FLUSH_SECONDS: Final = 2.0
_CLOSE_SECONDS: Final = 0.5
_KINDS: Final = {
    SpanKind.INTERNAL: OtelKind.INTERNAL,
    SpanKind.SERVER: OtelKind.SERVER,
    SpanKind.CLIENT: OtelKind.CLIENT,
}
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class _Span:
    """A span of the SDK behind the port."""

    def __init__(self, span: OtelSpan) -> None:
        self._span = span
        context = span.get_span_context()
        flags = int(context.trace_flags)
        self.traceparent = (
            f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"
        )

    def rename(self, name: str) -> None:
        """Give a name that was not known at the start."""
        self._span.update_name(name)

    def put(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._span.set_attributes(dict(attributes))

    def fail(self, code: str) -> None:
        """Say that it did not end well."""
        self._span.set_attribute("error.type", code)
        self._span.set_status(Status(StatusCode.ERROR, code))

    def end(self) -> None:
        """End it; a second time is ignored."""
        if self._span.is_recording():
            self._span.end()


class OtlpTracer:
    """Sends spans in batches from a thread of its own; a full queue drops them."""

    is_on = True

    def __init__(self, identity: ProcessIdentity) -> None:
        resource = Resource.create(
            {
                "service.namespace": "venturebots",
                "service.name": identity.service,
                "service.version": identity.version,
                "service.instance.id": identity.instance_id,
            }
        )
        self._exporter = OTLPSpanExporter()
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("venturebots", identity.version)

    def start(
        self,
        name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: str = "",
        link: str = "",
        attributes: Attributes | None = None,
        began_ns: int | None = None,
    ) -> Span:
        """Start a span; see the port."""
        linked = get_current_span(_PROPAGATOR.extract({"traceparent": link}))
        context = linked.get_span_context()
        return _Span(
            self._tracer.start_span(
                name,
                # Always given: what else is current is no business of ours.
                context=_PROPAGATOR.extract({"traceparent": parent}),
                kind=_KINDS[kind],
                attributes=dict(attributes or {}),
                links=[Link(context)] if context.is_valid else None,
                start_time=began_ns,
            )
        )

    async def aclose(self) -> None:
        """Send what is left for two seconds, then give it up."""
        await _done_within(_FLUSH_SECONDS, self._provider.force_flush)
        # First the exporter: it breaks off what hangs, and the rest ends at once.
        self._exporter.shutdown(timeout_millis=0)
        await _done_within(_CLOSE_SECONDS, self._provider.shutdown)


async def _done_within(seconds: float, work: Callable[[], object]) -> None:
    """Do blocking work in a thread that nobody waits for longer than told."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def run() -> None:
        try:
            work()
        finally:
            # The loop is closed when the work outlived it.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name="flush traces", daemon=True).start()
    with suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), seconds)
