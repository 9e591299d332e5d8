"""What founders and models say, and every secret, stays out of logs and spans."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from libs.testing.client import FounderClient
from libs.testing.model_script import Fault
from libs.testing.model_server import ModelServer, Pace
from tests.telemetry.conftest import API_KEY, MESSAGE, PROMPT, TracedStack


@pytest.fixture
async def telling_model(telling: TracedStack) -> AsyncIterator[ModelServer]:
    """The model behind `telling`."""
    async with ModelServer(Pace(), port=telling.model_port) as server:
        yield server


async def _live(founder: FounderClient, model: ModelServer) -> list[str]:
    """Use everything there is; returns words that only the model and we know."""
    session = await founder.create_session(opening=True)
    session_id, stream = session["session_id"], session["stream"]
    async with founder.following(session_id) as socket:
        await socket.until(lambda: bool(socket.state(stream).run_ends))
        for text in (MESSAGE, f"{MESSAGE} [tool:any]"):
            ack = await socket.command("message.send", session_id=session_id, text=text)
            await socket.ended(stream, ack["run_id"])
        for fault in (Fault.GARBAGE, Fault.CUT_MIDWAY, Fault.CONTEXT_EXCEEDED):
            model.faults.append(fault)
            ack = await socket.command(
                "message.send", session_id=session_id, text=MESSAGE
            )
            await socket.ended(stream, ack["run_id"])
        refused = await socket.command("message.send", session_id=MESSAGE, text=MESSAGE)
        assert refused["type"] == "error"
    await founder.post(f"/v1/sessions/{session_id}/messages", text=[MESSAGE])
    await founder.http.get("/v1/sessions", params={"q": MESSAGE})
    await founder.http.get("/v1/status", headers={"Cookie": f"vb_founder={MESSAGE}"})
    return [request.text for request in model.requests if len(request.text) > 40]


async def _open_other_devices(founder: FounderClient) -> list[str]:
    """Open the founder by a link, and be another in a browser; returns secrets."""
    made = (await founder.post("/v1/founder/links")).raise_for_status().json()
    secret = made["url"].partition("#")[2]
    secrets = [secret]
    for path, body in (
        ("/v1/founder/links/redeem", {"request_id": str(uuid4()), "token": secret}),
        ("/v1/founder/links/redeem", {"request_id": str(uuid4()), "token": secret}),
        ("/v1/founder", {}),
    ):
        async with httpx.AsyncClient(base_url=founder.url, trust_env=False) as browser:
            await browser.post(path, json=body)
            await browser.get("/v1/founder")
            secrets += browser.cookies.values()
    assert len(secrets) == 3
    return secrets


async def test_no_word_and_no_secret_is_told(
    traced: TracedStack, founder: FounderClient, model: ModelServer
) -> None:
    replies = await _live(founder, model)
    others = await _open_other_devices(founder)
    assert API_KEY in model.requests[0].authorization
    assert PROMPT in json.dumps(model.requests[0].body)
    assert replies

    spans = "\n".join(repr(span) for span in traced.sink.spans())
    own = [founder.token, founder.founder["founder_id"]]
    secrets = [MESSAGE, PROMPT, API_KEY, *own, *others]
    for told in (traced.written(), spans):
        assert [word for word in (*secrets, *replies) if word in told] == []


async def test_every_line_is_json_and_names_who_wrote_it(
    traced: TracedStack, founder: FounderClient
) -> None:
    session = await founder.create_session()
    async with founder.following(session["session_id"]) as socket:
        sent = await founder.send(session["session_id"], "Hello\n{}")
        await socket.ended(session["stream"], sent["run_id"])

    lines = [json.loads(line) for line in traced.written().splitlines()]
    for line in lines:
        assert {
            "ts",
            "level",
            "event",
            "logger",
            "service",
            "version",
            "instance_id",
        } <= set(line), line
    of_run = [line for line in lines if line.get("run_id") == sent["run_id"]]
    told = {line["event"]: line for line in of_run}
    accepted, ended, turn = (
        told["run accepted"],
        told["run ended"],
        told["turn ended"],
    )
    assert accepted["session_id"] == turn["session_id"] == session["session_id"]
    assert ended["trace_id"] == turn["trace_id"]
    assert accepted["founder_ref"] == ended["founder_ref"] == turn["founder_ref"]
    (request,) = [
        line
        for line in lines
        if line.get("trace_id") == turn["trace_id"] and line["event"] == "request"
    ]
    for name in ("founder_ref", "session_id", "run_id"):
        assert request[name] == turn[name]


async def test_prompts_are_told_where_that_was_asked_for(
    telling: TracedStack, telling_model: ModelServer
) -> None:
    async with await FounderClient.arrive(telling.stack.url) as founder:
        replies = await _live(founder, telling_model)
        token = founder.token
    spans = await asyncio.to_thread(
        telling.sink.until,
        lambda spans: any(MESSAGE in repr(span.attributes) for span in spans),
    )
    chats = [span for span in spans if span.name.startswith("chat ")]
    asked = "".join(str(chat.attributes["gen_ai.input.messages"]) for chat in chats)
    answered = "".join(str(chat.attributes["gen_ai.output.messages"]) for chat in chats)
    log = telling.stack.orchestrator.log_path.read_text("utf-8")

    assert MESSAGE in asked
    assert PROMPT in asked
    assert replies[0] in answered
    assert MESSAGE in log
    assert replies[0] in log
    for told in (log, repr(spans)):
        assert API_KEY not in told
        assert token not in told
