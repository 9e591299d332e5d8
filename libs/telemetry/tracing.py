"""Spans as the services see them: a port that costs nothing while it is off.

Contexts are passed as W3C `traceparent` texts, in tasks, in messages and between
processes alike; the empty text means that nothing is traced.
"""

import os
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from enum import StrEnum
from typing import Final, Protocol

from libs.telemetry.identity import ProcessIdentity

__all__ = [
    "NO_SPAN",
    "NO_TRACER",
    "Attributes",
    "Span",
    "SpanKind",
    "Tracer",
    "current_traceparent",
    "open_tracer",
    "trace_id_of",
]

type Attributes = Mapping[str, str | int | float | bool | Sequence[str]]

_ENDPOINTS: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)

current_traceparent: ContextVar[str] = ContextVar("current_traceparent", default="")
"""The span in which this task works."""


class SpanKind(StrEnum):
    """How a span stands to its neighbours."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


class Span(Protocol):
    """Something that took time. Methods never block and never raise."""

    @property
    def traceparent(self) -> str:
        """What makes a span elsewhere a child of this one."""

    def rename(self, name: str) -> None:
        """Give a name that was not known at the start."""

    def put(self, attributes: Attributes) -> None:
        """Add attributes."""

    def fail(self, code: str) -> None:
        """Say that it did not end well: an error's code, or `cancelled`."""

    def end(self) -> None:
        """End it; a second time is ignored."""


class Tracer(Protocol):
    """Starts spans and sends them on behind everybody's back."""

    @property
    def is_on(self) -> bool:
        """Whether spans go anywhere."""

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
        """Start a span; without a parent it begins a trace.

        `link` names a span that is related and not believed; `began_ns` is given
        for what is told after the fact.
        """

    async def aclose(self) -> None:
        """Send what is left, within two seconds."""


class _NoSpan:
    """Takes everything and keeps nothing."""

    traceparent = ""

    def rename(self, name: str) -> None:
        """Do nothing."""

    def put(self, attributes: Attributes) -> None:
        """Do nothing."""

    def fail(self, code: str) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


class _NoTracer:
    """The tracer of a process that sends no traces."""

    is_on = False

    def start(
        self,
        _name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: str = "",
        link: str = "",
        attributes: Attributes | None = None,
        began_ns: int | None = None,
    ) -> Span:
        """Give the span that is none."""
        del kind, parent, link, attributes, began_ns
        return NO_SPAN

    async def aclose(self) -> None:
        """Do nothing."""


NO_SPAN: Final[Span] = _NoSpan()
NO_TRACER: Final[Tracer] = _NoTracer()


def open_tracer(identity: ProcessIdentity) -> Tracer:
    """Make a tracer as OpenTelemetry's standard variables say.

    Without an OTLP endpoint it is off and the SDK is not even imported.
    """
    is_off = (
        os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        or os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() == "none"
        or not any(os.environ.get(name, "").strip() for name in _ENDPOINTS)
    )
    if is_off:
        return NO_TRACER
    from libs.telemetry.otlp import (  # noqa: PLC0415 - the SDK costs 16 MB
        OtlpTracer,
    )

    return OtlpTracer(identity)


def trace_id_of(traceparent: str) -> str:
    """The trace's id, as sinks show it; empty when nothing is traced."""
    return traceparent.split("-")[1] if traceparent else ""
