"""A turn is one trace, through both processes, however it ends."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.testing.client import FounderClient
from libs.testing.model_script import Fault
from libs.testing.model_server import ModelServer
from libs.testing.otlp_sink import OtlpSink, SeenSpan, sink_variables
from tests.telemetry.conftest import TracedStack

ROOT = Path(__file__).parents[2]
_CALL = "venturebots.orchestrator.v1.OrchestratorService/Run"
_WATCH = "venturebots.orchestrator.v1.OrchestratorService/WatchRun"
_TOOLS = {"pain-gaps", "explain-framework", "interview-questions"}
_TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass(frozen=True, slots=True)
class Trace:
    """The spans of one turn, by their place in it."""

    spans: tuple[SeenSpan, ...]

    def one(self, name: str) -> SeenSpan:
        """The only span with a name, or, when it ends in a space, a beginning."""
        (found,) = self.all(name)
        return found

    def all(self, name: str) -> list[SeenSpan]:
        """The spans with a name, the earliest first."""
        found = [
            span
            for span in self.spans
            if span.name == name or (name.endswith(" ") and span.name.startswith(name))
        ]
        return sorted(found, key=lambda span: span.began_ns)

    def path(self, span: SeenSpan) -> list[str]:
        """Names from a span up to its root."""
        by_id: Mapping[str, SeenSpan] = {each.span_id: each for each in self.spans}
        names = [span.name]
        while span.parent_id:
            span = by_id[span.parent_id]
            names.append(span.name)
        return names


async def _trace_of(sink: OtlpSink, run_id: str, root: str) -> Trace:
    """Wait until a run's root and both its run spans have come."""

    def of_run(spans: list[SeenSpan]) -> list[SeenSpan]:
        ids = {
            span.trace_id
            for span in spans
            if span.attributes.get("venturebots.run.id") == run_id
        }
        return [span for span in spans if span.trace_id in ids]

    spans = await asyncio.to_thread(
        sink.until,
        lambda spans: (
            {root, "run", "run coaching"} <= {span.name for span in of_run([*spans])}
        ),
    )
    return Trace(tuple(of_run(spans)))


def _commands(spans: Sequence[SeenSpan]) -> list[SeenSpan]:
    return [span for span in spans if span.name == "message.send"]


async def _turn_by_socket(founder: FounderClient, text: str) -> tuple[str, str, str]:
    session = await founder.create_session()
    session_id, stream = session["session_id"], session["stream"]
    async with founder.following(session_id) as socket:
        ack = await socket.command("message.send", session_id=session_id, text=text)
        end = await socket.ended(stream, ack["run_id"])
    return session_id, ack["run_id"], end


async def test_a_turn_with_a_tool_is_one_trace(
    traced: TracedStack, founder: FounderClient
) -> None:
    session_id, run_id, end = await _turn_by_socket(founder, "Go [tool:any]")
    assert end == "run.finished"
    trace = await _trace_of(traced.sink, run_id, "message.send")

    assert len({span.trace_id for span in trace.spans}) == 1
    tool, (asked, answered) = trace.one("execute_tool "), trace.all("chat ")
    step = trace.one("invoke_agent ")
    way = ["run coaching", _CALL, "run", "message.send"]
    assert trace.path(tool) == [tool.name, step.name, *way]
    assert trace.path(asked) == ["chat small", step.name, *way]
    assert trace.path(answered) == ["chat small", step.name, *way]
    # The model calls it with no arguments, which some tools refuse.
    assert {span.name for span in trace.spans if span.is_failed} <= {tool.name}
    assert {span.service for span in trace.spans} == {"api-gateway", "orchestrator"}
    assert [trace.one(name).kind for name in ("message.send", _CALL)] == [
        "SERVER",
        "CLIENT",
    ]
    assert (asked.kind, tool.kind) == ("CLIENT", "INTERNAL")

    run = trace.one("run coaching").attributes
    assert run["venturebots.run.id"] == run_id
    assert run["gen_ai.conversation.id"] == session_id
    assert run["venturebots.crew"] == "coaching"
    assert run["venturebots.crew.digest"].startswith("sha256:")
    assert run["venturebots.run.outcome"] == "finished"
    assert answered.attributes["gen_ai.request.model"] == "small"
    assert answered.attributes["gen_ai.usage.output_tokens"] == 20
    assert answered.attributes["gen_ai.usage.input_tokens"] > 0
    assert answered.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert answered.attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert answered.ended_ns - answered.began_ns > 20 / 200 * 1e9 * 0.8
    assert tool.name == f"execute_tool {tool.attributes['gen_ai.tool.name']}"
    assert tool.attributes["gen_ai.tool.name"] in _TOOLS
    for span in trace.spans:
        assert span.resource["service.version"]
        assert span.resource["service.instance.id"]


async def test_a_turn_by_http_begins_its_own_trace_and_links_to_the_callers(
    traced: TracedStack, founder: FounderClient
) -> None:
    session = await founder.create_session()
    founder.http.headers["traceparent"] = _TRACEPARENT
    async with founder.following(session["session_id"]) as socket:
        sent = await founder.send(session["session_id"], "Hello")
        await socket.ended(session["stream"], sent["run_id"])

    root = "POST /v1/sessions/{session_id}/messages"
    trace = await _trace_of(traced.sink, sent["run_id"], root)
    request = trace.one(root)
    assert request.parent_id == ""
    assert request.trace_id not in _TRACEPARENT
    assert request.linked_trace_ids == (_TRACEPARENT.split("-")[1],)
    assert request.attributes["http.response.status_code"] == 202
    assert trace.path(trace.one("chat "))[-2:] == ["run", root]


async def test_a_callers_trace_goes_on_where_callers_are_believed(
    telling: TracedStack,
) -> None:
    async with await FounderClient.arrive(telling.stack.url) as founder:
        founder.http.headers["traceparent"] = _TRACEPARENT
        await founder.create_session()
    spans = await asyncio.to_thread(
        telling.sink.until,
        lambda spans: any(span.name == "POST /v1/sessions" for span in spans),
    )

    (request,) = [span for span in spans if span.trace_id in _TRACEPARENT]
    assert request.parent_id == _TRACEPARENT.split("-")[2]
    assert request.linked_trace_ids == ()


async def test_a_failed_run_says_where_it_failed(
    traced: TracedStack, founder: FounderClient, model: ModelServer
) -> None:
    model.faults.extend([Fault.UNAUTHORIZED] * 2)
    _, run_id, end = await _turn_by_socket(founder, "Hello")
    assert end == "run.failed"
    trace = await _trace_of(traced.sink, run_id, "message.send")

    failed = {span.name: span for span in trace.spans if span.is_failed}
    step = trace.one("invoke_agent ").name
    assert set(failed) == {"chat small", step, "run coaching", _CALL, "run"}
    for name in ("chat small", "run coaching", "run"):
        assert failed[name].attributes["error.type"] == "llm_unauthorized"
        assert failed[name].status == "llm_unauthorized"
    assert not trace.one("message.send").is_failed


async def test_a_cancelled_run_says_so(
    traced: TracedStack, founder: FounderClient
) -> None:
    session = await founder.create_session()
    session_id, stream = session["session_id"], session["stream"]
    async with founder.following(session_id) as socket:
        ack = await socket.command(
            "message.send", session_id=session_id, text="Hello [tokens:2000]"
        )
        await socket.until(lambda: bool(socket.state(stream).seen("message.delta")))
        await socket.command("run.cancel", run_id=ack["run_id"])
        assert await socket.ended(stream, ack["run_id"]) == "run.cancelled"
    trace = await _trace_of(traced.sink, ack["run_id"], "message.send")

    cancelled = {span.name for span in trace.spans if span.status == "cancelled"}
    step = trace.one("invoke_agent ").name
    assert cancelled == {"chat small", step, "run coaching", _CALL, "run"}
    assert trace.one("run coaching").attributes["venturebots.run.outcome"] == (
        "cancelled"
    )


@pytest.mark.timeout(60)
async def test_a_run_taken_over_by_another_gateway_stays_in_its_trace(
    traced: TracedStack, founder: FounderClient
) -> None:
    session = await founder.create_session()
    session_id, stream = session["session_id"], session["stream"]
    earlier = len(_commands(traced.sink.spans()))

    def command_came(spans: Sequence[SeenSpan]) -> bool:
        return len(_commands(spans)) > earlier

    async with founder.following(session_id) as socket:
        ack = await socket.command(
            "message.send", session_id=session_id, text="Hello [tokens:600]"
        )
        await socket.until(lambda: bool(socket.state(stream).seen("message.delta")))
        await asyncio.to_thread(traced.sink.until, command_came)
        traced.stack.gateway.kill()
        await traced.stack.gateway.start()
        assert await socket.ended(stream, ack["run_id"]) == "run.finished"
    trace = await _trace_of(traced.sink, ack["run_id"], "message.send")

    assert len({span.trace_id for span in trace.spans}) == 1
    run, executed = trace.one("run"), trace.one("run coaching")
    assert run.attributes["venturebots.run.is_adopted"] is True
    assert run.parent_id == executed.span_id
    assert trace.one(_WATCH).parent_id == run.span_id


async def test_nothing_is_exported_but_our_own_spans(
    traced: TracedStack, founder: FounderClient
) -> None:
    _, run_id, _ = await _turn_by_socket(founder, "Hello")
    await _trace_of(traced.sink, run_id, "message.send")

    assert {span.scope for span in traced.sink.spans()} == {"venturebots"}


@pytest.mark.parametrize(
    ("variables", "is_imported"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({**sink_variables("127.0.0.1:1"), "OTEL_SDK_DISABLED": "true"}, False),
        ({**sink_variables("127.0.0.1:1"), "OTEL_TRACES_EXPORTER": "none"}, False),
        (sink_variables("127.0.0.1:1"), True),
    ],
)
def test_the_sdk_is_imported_only_with_an_endpoint(
    variables: dict[str, str], *, is_imported: bool
) -> None:
    program = (
        "import sys; import services.api_gateway.server;"
        "from services.api_gateway.app import create_app;"
        "from services.api_gateway.config import Config; create_app(Config());"
        "print('opentelemetry.sdk' in sys.modules)"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ROOT}/protos/gen",
    }
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str(is_imported)


async def test_every_attribute_is_documented(
    traced: TracedStack, founder: FounderClient
) -> None:
    _, run_id, _ = await _turn_by_socket(founder, "Go [tool:any]")
    await _trace_of(traced.sink, run_id, "message.send")
    text = (ROOT / "docs/architecture/observability.md").read_text("utf-8")
    table = text.partition("## Attributes of spans\n")[2]
    documented = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`([^`]+)`", row.partition(" | ")[0])
    }

    seen = {name for span in traced.sink.spans() for name in span.attributes}
    assert len(seen) > 20
    assert seen <= documented
