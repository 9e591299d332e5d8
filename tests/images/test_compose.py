"""`docker compose up --wait`: the whole product, from nothing but a clone."""

import json

import pytest
from playwright.async_api import expect

from libs.testing.client import FounderClient
from libs.testing.stream_state import Frame
from tests.e2e.visitor import Visitor
from tests.figures import figure
from tests.images.composition import Composition, docker
from tests.images.conftest import Service
from tests.integration.proofs import prove_log, prove_shown_is_stored

pytestmark = pytest.mark.timeout(300)

_MOST_MEMORY_PERCENT = 90


async def _say(founder: FounderClient, session: Frame) -> str:
    sent = await founder.send(session["session_id"], "My gym is full after work.")
    return str(sent["run_id"])


async def test_every_service_is_healthy_and_confined(product: Composition) -> None:
    containers = await product.containers()

    assert set(containers) == {*Service, "token"}
    for service in Service:
        assert containers[service].is_healthy
    for container in containers.values():
        limits = container.limits
        assert container.configuration["Config"]["User"] == "65532:65532"
        assert limits["ReadonlyRootfs"] is True
        assert limits["CapDrop"] == ["ALL"]
        assert limits["SecurityOpt"] == ["no-new-privileges:true"]
        assert limits["Memory"] > 0
        assert limits["PidsLimit"] > 0
        assert limits["Privileged"] is False


async def test_a_conversation_leaves_room_in_every_containers_memory(
    product: Composition, founder: FounderClient
) -> None:
    session = await founder.create_session()
    async with founder.following(session["session_id"]) as socket:
        run_id = await _say(founder, session)
        await socket.ended(session["stream"], run_id)

    for service in Service:
        container = (await product.containers())[service]
        words = ("stats", "--no-stream", "--format", "{{json .}}", container.id)
        told = json.loads(await docker(*words))
        figure(f"memory of {service}: {told['MemUsage']}")
        assert 0 < float(told["MemPerc"].rstrip("%")) < _MOST_MEMORY_PERCENT


async def test_one_port_is_published_on_this_machine_alone(
    product: Composition,
) -> None:
    containers = await product.containers()
    published = [
        (service, place["HostIp"], place["HostPort"])
        for service, container in containers.items()
        for places in container.limits["PortBindings"].values()
        for place in places
    ]

    assert published == [("frontend", "127.0.0.1", str(product.port))]


async def test_a_program_chats_over_http_and_a_socket(founder: FounderClient) -> None:
    session = await founder.create_session(opening=True)
    async with founder.following(session["session_id"]) as socket:
        run_id = await _say(founder, session)
        assert await socket.ended(session["stream"], run_id) == "run.finished"

        assert len(socket.state(session["stream"]).reply_to(run_id)) > 0
        shown = socket.state(session["stream"])
        await prove_shown_is_stored(founder, session["session_id"], shown)


async def test_server_sent_events_come_one_by_one(founder: FounderClient) -> None:
    session = await founder.create_session()
    run_id = await _say(founder, session)
    first_ended = None

    async for _, frame in founder.live(session["stream"], after=0):
        if frame["type"] == "message.delta" and first_ended is None:
            first_ended = (await founder.run(run_id))["state"]
        if frame["type"] == "run.finished":
            break

    assert first_ended == "running", "the first words came with the last"


async def test_a_founder_chats_in_a_browser(visitor: Visitor) -> None:
    tab = await visitor.tab()
    await tab.send("My gym is always full after work.")
    await tab.reply_began()
    await tab.page.reload()
    said = await tab.reply_ended()
    await tab.send("And then?")
    await tab.reply_began()
    await tab.stop_button.click()
    await tab.reply_ended("cancelled")

    assert said
    await expect(tab.replies).to_have_count(2)
    assert said in await tab.texts()


@pytest.mark.parametrize("service", Service)
async def test_a_killed_process_is_restarted_and_no_word_is_lost(
    product: Composition, founder: FounderClient, service: Service
) -> None:
    session = await founder.create_session()
    before = (await product.containers())[service]
    async with founder.following(session["session_id"]) as socket:
        state = socket.state(session["stream"])
        interrupted = await _say(founder, session)
        await socket.until(lambda: len(state.seen("message.delta")) > 0)
        before.kill()
        await product.recovered(service, restarts=before.restarts + 1)
        await socket.until(lambda: interrupted in state.run_ends, timeout_seconds=60)
        spoken = await _say(founder, session)
        assert await socket.ended(session["stream"], spoken) == "run.finished"

        await prove_shown_is_stored(founder, session["session_id"], state)
    assert (await product.containers())[service].id == before.id


@pytest.mark.parametrize("service", Service)
async def test_a_service_is_replaced_under_a_reply_and_nothing_is_lost(
    product: Composition, founder: FounderClient, service: Service
) -> None:
    session = await founder.create_session()
    before = (await product.containers())[service]
    async with founder.following(session["session_id"]) as socket:
        state = socket.state(session["stream"])
        run_id = await _say(founder, session)
        await socket.until(lambda: len(state.seen("message.delta")) > 0)
        await product.replace(service, "--build")
        await socket.until(lambda: run_id in state.run_ends, timeout_seconds=60)

        assert state.run_ends[run_id] == "run.finished"
        await prove_shown_is_stored(founder, session["session_id"], state)
    assert (await product.containers())[service].id != before.id


async def test_conversations_survive_a_removal_of_all_containers(
    product: Composition, founder: FounderClient
) -> None:
    session = await founder.create_session()
    async with founder.following(session["session_id"]) as socket:
        run_id = await _say(founder, session)
        await socket.ended(session["stream"], run_id)
    said = await founder.messages(session["session_id"])

    await product.compose("down")
    await product.up()

    assert await founder.messages(session["session_id"]) == said
    await prove_log(founder, session["session_id"])
