"""Branches, search and links on the running product."""

import asyncio

import httpx

from libs.testing.client import FounderClient, new_request_id
from libs.testing.stack import Stack


async def test_a_branch_by_the_socket_is_answered_and_found(
    founder: FounderClient,
) -> None:
    session = await founder.create_session()
    async with founder.following(session["session_id"]) as socket:
        ids = []
        for text in ("I notice quokkas in queues", "They wait for lunch"):
            sent = await founder.send(session["session_id"], text)
            await socket.ended(session["stream"], sent["run_id"])
            ids.append(sent["message_id"])
        branched = await socket.command(
            "session.branch",
            session_id=session["session_id"],
            message_id=ids[1],
            text="They wait for dinner",
        )
        stream = f"session:{branched['session_id']}"
        await socket.subscribe(stream)
        assert await socket.ended(stream, branched["run_id"]) == "run.finished"
        state = socket.state(stream)
    messages = await founder.messages(branched["session_id"])
    assert state.violations == []
    assert state.texts == {each["message_id"]: each["text"] for each in messages}
    assert [each["run_id"] is None for each in messages] == [True, True, False, False]
    # The coach may repeat what was said, so only the founder's words can be foretold.
    found = await founder.http.get("/v1/search", params={"q": "quokka dinn"})
    both = [each["message"] for each in found.json()["hits"]]
    assert {each["role"] if each else None for each in both} <= {"coach"}
    found = await founder.http.get("/v1/search", params={"q": "quokka"})
    hits = found.json()["hits"]
    at = {each["session"]["session_id"] for each in hits if each["message"]}
    assert at == {session["session_id"], branched["session_id"]}


async def test_of_many_devices_with_one_link_one_gets_in(
    stack: Stack, founder: FounderClient
) -> None:
    made = await founder.post("/v1/founder/links")
    token = made.raise_for_status().json()["url"].partition("#")[2]
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as devices:
        answers = await asyncio.gather(
            *(
                devices.post(
                    "/v1/founder/links/redeem",
                    json={"request_id": new_request_id(), "token": token},
                )
                for _ in range(20)
            )
        )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [httpx.codes.OK, *[httpx.codes.NOT_FOUND] * 19]
    [opened] = [answer for answer in answers if answer.is_success]
    assert opened.json()["founder_id"] == founder.founder["founder_id"]
    name, _, value = opened.headers["set-cookie"].partition(";")[0].partition("=")
    cookies = {name: value}
    async with httpx.AsyncClient(
        base_url=stack.url, trust_env=False, cookies=cookies
    ) as device:
        assert (await device.get("/v1/founder")).json() == opened.json()
