"""What both side ports tell is what was done."""

from collections import defaultdict
from collections.abc import Mapping

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from libs.testing.client import FounderClient
from libs.testing.model_script import Fault
from libs.testing.model_server import ModelServer
from libs.testing.socket_client import SUBPROTOCOL
from libs.testing.stack import StackProcess, until
from tests.telemetry.conftest import TracedStack

type Figures = Mapping[str, float]
"""Samples by `name{label=value,…}`."""


async def _figures(process: StackProcess) -> Figures:
    """Ask a process's side port, with the parser Prometheus itself ships."""
    variable = next(name for name in process.environment if "METRICS_PORT" in name)
    url = f"http://127.0.0.1:{process.environment[variable]}/metrics"
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(url)).raise_for_status().text
    figures: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            figures[name] = sample.value
    return figures


def _change(before: Figures, after: Figures) -> dict[str, float]:
    names = {*before, *after}
    changes = {name: after.get(name, 0) - before.get(name, 0) for name in names}
    return {name: change for name, change in changes.items() if change}


async def _say(founder: FounderClient, text: str, *, stops: bool = False) -> str:
    session = await founder.create_session()
    session_id, stream = session["session_id"], session["stream"]
    async with founder.following(session_id) as socket:
        ack = await socket.command("message.send", session_id=session_id, text=text)
        if stops:
            await socket.until(lambda: bool(socket.state(stream).seen("message.delta")))
            await socket.command("run.cancel", run_id=ack["run_id"])
        return await socket.ended(stream, ack["run_id"])


async def test_turns_are_counted_by_how_they_ended(
    traced: TracedStack, founder: FounderClient, model: ModelServer
) -> None:
    gateway, orchestrator = traced.stack.gateway, traced.stack.orchestrator
    before = await _figures(gateway), await _figures(orchestrator)

    assert await _say(founder, "One [tool:any]") == "run.finished"
    assert await _say(founder, "Two") == "run.finished"
    assert await _say(founder, "Three") == "run.finished"
    assert await _say(founder, "Four [tokens:2000]", stops=True) == "run.cancelled"
    model.faults.append(Fault.UNAUTHORIZED)
    assert await _say(founder, "Five") == "run.failed"

    async def has_settled() -> bool:
        figures = await _figures(gateway)
        return not figures["venturebots_gateway_sockets{kind=socket}"]

    await until(has_settled, timeout_seconds=10, what="sockets closed")
    gate = _change(before[0], await _figures(gateway))
    assert _named(gate, "venturebots_gateway_turns_total") == {
        "code=,outcome=finished": 3,
        "code=,outcome=cancelled": 1,
        "code=llm_unauthorized,outcome=failed": 1,
    }
    assert gate["venturebots_gateway_turn_seconds_count"] == 5
    assert gate["venturebots_gateway_first_text_seconds_count"] == 4
    assert _named(gate, "venturebots_gateway_commands_total") == {
        "code=ok,type=message.send": 5,
        "code=ok,type=run.cancel": 1,
    }
    route = "method=POST,route=/v1/sessions,status=2xx"
    assert gate[f"venturebots_gateway_request_seconds_count{{{route}}}"] == 5
    assert gate["venturebots_gateway_sockets_opened_total{kind=socket}"] == 5
    assert sum(_named(gate, "venturebots_gateway_sockets_closed_total").values()) == 5
    assert gate["venturebots_gateway_commit_seconds_count"] > 10
    assert (
        gate["venturebots_gateway_commit_units_sum"]
        >= gate["venturebots_gateway_commit_seconds_count"]
    )
    assert gate["venturebots_gateway_store_events_total"] > 30
    assert "venturebots_gateway_store_failed_commits_total" not in gate

    orch = _change(before[1], await _figures(orchestrator))
    assert _named(orch, "venturebots_runs_ended_total") == {
        "code=,crew=coaching,state=finished": 3,
        "code=,crew=coaching,state=cancelled": 1,
        "code=llm_unauthorized,crew=coaching,state=failed": 1,
    }
    assert orch["venturebots_llm_request_seconds_count{model=test-model}"] == 6
    assert _named(orch, "venturebots_llm_errors_total") == {
        "code=cancelled,model=test-model": 1,
        "code=llm_unauthorized,model=test-model": 1,
    }
    assert orch["venturebots_llm_first_text_seconds_count{model=test-model}"] == 4
    completion = "venturebots_llm_tokens_total{direction=completion,model=test-model}"
    assert orch[completion] >= 60
    assert sum(_named(orch, "venturebots_tool_calls_total").values()) == 1


def _named(figures: Figures, name: str) -> dict[str, float]:
    """One metric's samples by their labels."""
    return {
        sample.removeprefix(name).strip("{}"): value
        for sample, value in figures.items()
        if sample.partition("{")[0] == name
    }


async def test_both_processes_tell_of_themselves(
    traced: TracedStack, founder: FounderClient
) -> None:
    assert founder.token
    for process, service in (
        (traced.stack.gateway, "api-gateway"),
        (traced.stack.orchestrator, "orchestrator"),
    ):
        figures = await _figures(process)
        (build,) = _named(figures, "venturebots_build_info")
        assert f"service={service}" in build
        assert figures["process_resident_memory_bytes"] > 10_000_000
        assert figures["process_cpu_seconds_total"] > 0
    gateway = await _figures(traced.stack.gateway)
    assert {
        "venturebots_gateway_store_queue",
        "venturebots_gateway_active_runs",
        "venturebots_gateway_waiting_runs",
    } <= set(gateway)


async def test_hostile_requests_add_no_labels(
    traced: TracedStack, founder: FounderClient
) -> None:
    gateway = traced.stack.gateway

    async def ask_everything(salt: int) -> None:
        for number in range(40):
            path = f"/v1/{salt}/{number}/%0a{{{number}}}\u2028"
            await founder.http.request("GET", path)
            await founder.http.request("GET", f"/v1/sessions/{salt}-{number}")
            await founder.http.request(f"BREW{salt}{number}", "/v1/sessions")

    await ask_everything(1)
    first = set(await _figures(gateway))
    await ask_everything(2)

    assert set(await _figures(gateway)) == first


async def test_metrics_are_not_on_the_public_port(
    traced: TracedStack, founder: FounderClient
) -> None:
    assert traced.stack.url
    answer = await founder.http.get("/metrics")

    assert "venturebots_gateway" not in answer.text


@pytest.mark.parametrize(("code", "told"), [(4_321, "other"), (1_000, "1000")])
async def test_clients_make_up_no_close_codes(
    traced: TracedStack, founder: FounderClient, code: int, told: str
) -> None:
    name = f"venturebots_gateway_sockets_closed_total{{code={told},kind=socket}}"
    before = (await _figures(traced.stack.gateway))[name]
    async with connect(
        founder.url.replace("http", "ws", 1) + "/v1/socket",
        subprotocols=[SUBPROTOCOL],
        additional_headers={"Authorization": f"Bearer {founder.token}"},
        proxy=None,
    ) as connection:
        await connection.close(code)

    async def is_counted() -> bool:
        return (await _figures(traced.stack.gateway))[name] == before + 1

    await until(is_counted, timeout_seconds=10, what="the close counted")
