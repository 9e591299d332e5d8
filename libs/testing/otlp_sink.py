"""A real OTLP sink: a gRPC server that keeps the spans it is sent."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, override

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

__all__ = ["OtlpSink", "SeenSpan", "sink_variables"]

_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class SeenSpan:
    """A span as it came over the wire; ids are hexadecimal."""

    service: str
    scope: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    is_failed: bool
    status: str
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    linked_trace_ids: tuple[str, ...]
    began_ns: int
    ended_ns: int


def sink_variables(address: str) -> dict[str, str]:
    """What a process is told so that it sends its spans there, soon."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{address}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }


class OtlpSink(TraceServiceServicer):
    """Listens on a free port of 127.0.0.1 from `with` to its end."""

    def __init__(self) -> None:
        self._spans: list[SeenSpan] = []
        self._changed = threading.Condition()
        self._server = grpc.server(ThreadPoolExecutor(2))
        add_TraceServiceServicer_to_server(  # type: ignore[no-untyped-call] # generated
            self, self._server
        )
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop(None).wait()

    @override
    def Export(
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        """Keep what an exporter sends."""
        with self._changed:
            for group in request.resource_spans:
                resource = _attributes(group.resource.attributes)
                for scope in group.scope_spans:
                    name = scope.scope.name
                    self._spans += [_seen(each, name, resource) for each in scope.spans]
            self._changed.notify_all()
        return ExportTraceServiceResponse()

    def spans(self) -> list[SeenSpan]:
        """Every span that came, in no order."""
        with self._changed:
            return list(self._spans)

    def until(
        self,
        is_enough: Callable[[Sequence[SeenSpan]], bool],
        *,
        seconds: float = _SECONDS,
    ) -> list[SeenSpan]:
        """Wait for spans; blocks, so call it in a thread beside an event loop.

        Raises TimeoutError, naming what came, when it is not enough in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: is_enough(self._spans), seconds):
                names = sorted(f"{span.service}: {span.name}" for span in self._spans)
                raise TimeoutError(f"only {names}")
            return list(self._spans)


def _seen(span: WireSpan, scope: str, resource: Mapping[str, Any]) -> SeenSpan:
    return SeenSpan(
        scope=scope,
        service=str(resource["service.name"]),
        name=span.name,
        kind=WireSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        is_failed=span.status.code == Status.STATUS_CODE_ERROR,
        status=span.status.message,
        attributes=_attributes(span.attributes),
        resource=resource,
        linked_trace_ids=tuple(link.trace_id.hex() for link in span.links),
        began_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
    )


def _attributes(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:  # noqa: ANN401 - attributes are of any type
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return None if kind is None else getattr(value, kind)
