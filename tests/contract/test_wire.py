"""What the gateway really sends is what its models, and so its page, expect."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from libs.testing.client import FounderClient
from libs.testing.model_script import Fault
from libs.testing.model_server import ModelServer, Pace
from libs.testing.socket_client import SocketClient
from libs.testing.stack import Stack, free_port
from libs.testing.stream_state import Frame
from services.api_gateway.wire import views
from services.api_gateway.wire.events import EVENT_TYPES, EventPage
from services.api_gateway.wire.frames import server_frame_adapter

_SAID = "Hello [tokens:5]"
_TOOL_AND_SUGGESTIONS = "Why? [tool:any] [suggest:replies]"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, int]]:
    """Run a stack where one run executes at a time; names the model's port."""
    directory: Path = tmp_path_factory.mktemp("crowded")
    port = free_port()
    stack = Stack(
        directory,
        model_url=f"http://127.0.0.1:{port}/v1",
        orchestrator_settings={
            "VB_ORCHESTRATOR_ADMISSION__ACTIVE_RUNS": "1",
            "VB_ORCHESTRATOR_ADMISSION__FOUNDER_SHARE_PERCENT": "100",
        },
    )
    asyncio.run(stack.start())
    try:
        yield stack, port
    finally:
        stack.stop()


async def test_every_event_of_the_union_is_sent_and_every_frame_is_valid(
    crowded: tuple[Stack, int],
) -> None:
    stack, port = crowded
    async with (
        ModelServer(Pace(tokens_per_second=200), port=port) as model,
        await FounderClient.arrive(stack.url) as founder,
        founder.socket(founder.founder["stream"]) as socket,
    ):
        session = await _eventful_session(founder, socket, model)
        async with founder.socket(
            session["stream"], founder.founder["stream"], from_start=False
        ) as fresh:
            await fresh.until(lambda: fresh.state(session["stream"]).is_live)
            frames = socket.frames + fresh.frames
        for frame in frames:
            server_frame_adapter.validate_python(frame)
        sent = {frame["type"] for frame in frames}
        assert sent >= EVENT_TYPES, f"never sent: {sorted(EVENT_TYPES - sent)}"
        assert {"welcome", "live", "snapshot", "ack", "error", "stream.ended"} <= sent
        await _prove_views(founder, session)


async def _eventful_session(
    founder: FounderClient, socket: SocketClient, model: ModelServer
) -> Frame:
    """Make everything happen that can happen in a session; returns one of three."""
    sessions = [await founder.create_session(opening=True) for _ in range(3)]
    one, other, gone = sessions
    for session in sessions:
        await socket.subscribe(session["stream"])
    state = socket.state(one["stream"])
    await socket.until(lambda: len(state.run_ends) == 1)
    await founder.http.patch(
        f"/v1/sessions/{one['session_id']}", json={"title": "Eventful"}
    )
    # Two sessions at once: one of the runs waits for admission.
    both = [
        (
            each["stream"],
            (
                await founder.send(
                    each["session_id"], "Why? [tool:any] [suggest:replies]"
                )
            ),
        )
        for each in (one, other)
    ]
    waits = await founder.send(one["session_id"], _SAID)
    assert waits["position"] == 1
    for stream, sent in both:
        await socket.ended(stream, sent["run_id"])
    await socket.ended(one["stream"], waits["run_id"])
    reply = state.seen("message.started")[-1]["data"]["message_id"]
    ack = await socket.command("message.feedback", message_id=reply, value="up")
    assert ack["type"] == "ack"
    await _branch(socket, one, waits["message_id"])
    model.faults.append(Fault.UNAUTHORIZED)
    failed = await socket.command(
        "message.send", session_id=one["session_id"], text=_SAID
    )
    await socket.ended(one["stream"], failed["run_id"])
    stopped = await founder.send(one["session_id"], "Go on [tokens:1000]")
    goal = len(state.seen("message.delta")) + 1
    await socket.until(lambda: len(state.seen("message.delta")) >= goal)
    await founder.cancel(stopped["run_id"])
    await socket.ended(one["stream"], stopped["run_id"])
    refused = await socket.command("run.cancel", run_id="unknown")
    assert refused["type"] == "error"
    await founder.http.delete(f"/v1/sessions/{gone['session_id']}")
    await socket.until(lambda: socket.state(gone["stream"]).is_ended)
    return one


async def _branch(socket: SocketClient, session: Frame, message_id: str) -> None:
    """Say an earlier message differently, in a session of its own."""
    branched = await socket.command(
        "session.branch",
        session_id=session["session_id"],
        message_id=message_id,
        text=_SAID,
    )
    stream = f"session:{branched['session_id']}"
    await socket.subscribe(stream)
    assert await socket.ended(stream, branched["run_id"]) == "run.finished"


async def _prove_views(founder: FounderClient, session: Frame) -> None:
    """Every view read over REST is what its model says, field for field."""
    path = f"/v1/sessions/{session['session_id']}"
    log = await founder.log(session["stream"])
    expected: dict[str, type[BaseModel]] = {
        "/v1/founder": views.FounderView,
        "/v1/sessions": views.SessionPage,
        path: views.SessionView,
        f"{path}/messages": views.MessagePage,
        "/v1/search?q=Eventful": views.SearchPage,
        f"/v1/streams/{session['stream']}/events": EventPage,
        **{f"/v1/runs/{run_id}": views.RunView for run_id in log.runs},
    }
    for address, model in expected.items():
        answer = await founder.http.get(address)
        assert answer.is_success, address
        read = model.model_validate_json(answer.content)
        assert read.model_dump(mode="json") == answer.json(), address
