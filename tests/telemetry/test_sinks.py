"""A sink that is away costs nothing that a founder would notice."""

import asyncio
import json
import socket
from pathlib import Path

from libs.testing.client import FounderClient
from libs.testing.otlp_sink import sink_variables
from libs.testing.stack import Stack, free_port

# An exporter that was waited for would hold the end up for a minute.
_PATIENT = {"OTEL_EXPORTER_OTLP_TIMEOUT": "60"}
_STOP_SECONDS = 30


async def test_turns_go_on_and_stopping_is_quick_without_a_sink(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        stack = Stack(
            tmp_path,
            tokens_per_second=500,
            gateway_settings=_PATIENT | sink_variables(f"127.0.0.1:{free_port()}"),
            orchestrator_settings=_PATIENT
            | sink_variables(f"127.0.0.1:{silent.getsockname()[1]}"),
        )
        async with stack, await FounderClient.arrive(stack.url) as founder:
            session = await founder.create_session()
            async with founder.following(session["session_id"]) as live:
                for _ in range(3):
                    sent = await founder.send(session["session_id"], "Hello")
                    end = await live.ended(session["stream"], sent["run_id"])
                    assert end == "run.finished"
            stack.gateway.signal_stop()
            stack.orchestrator.signal_stop()
            ends = await asyncio.gather(
                stack.gateway.exited(_STOP_SECONDS),
                stack.orchestrator.exited(_STOP_SECONDS),
            )
    assert set(ends) == {0}
    for process in (stack.gateway, stack.orchestrator):
        lines = process.log_path.read_text("utf-8").splitlines()
        # Native code that prints by itself would break the stream of lines.
        assert all(json.loads(line)["event"] for line in lines)
        assert not [line for line in lines if '"level": "critical"' in line]
