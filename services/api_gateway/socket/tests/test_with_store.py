"""The socket on the real store: what is stored is what is shown."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from starlette.requests import HTTPConnection

from services.api_gateway.commands.service import CommandService
from services.api_gateway.config import LimitSettings
from services.api_gateway.limits import MemoryLimits
from services.api_gateway.socket.tests.gateway import Client, Frame, Parts, message
from services.api_gateway.store import (
    ActiveRun,
    DispatchPlace,
    RunProposal,
    Store,
    WhenBusy,
)
from services.api_gateway.store_sql import open_store


class NoRuns:
    """Carries no runs: the tests do."""

    def wake(self) -> None:
        """Leave runs where they are."""

    async def stop_run(self, active: ActiveRun, reason: str) -> None:
        """Leave runs as they are."""


@dataclass
class Talk:
    """A gateway on a real store with a founder and a session."""

    gateway: Parts
    store: Store
    founder_id: str
    session_id: str

    @property
    def stream(self) -> str:
        """The session's stream."""
        return f"session:{self.session_id}"

    def cursor(self, after_seq: int | None = None) -> Frame:
        """The session's stream from a cursor on."""
        return {"stream": self.stream, "after_seq": after_seq}

    async def dispatch(self) -> str:
        """Claim the next run; returns its id."""
        (work,) = await self.store.claim_runnable("owner", 1)
        assert await self.store.record_dispatch(
            work.run_id, DispatchPlace("there:1", "instance")
        )
        return work.run_id

    async def log(self) -> list[Frame]:
        """The session's whole log."""
        page = await self.store.log_page(self.stream, 0, 10_000)
        return [json.loads(event.frame) for event in page.events]


@pytest.fixture
async def talk(gateway: Parts, tmp_path: Path) -> AsyncIterator[Talk]:
    """The gateway of the socket tests, with the real parts put in."""
    store = await open_store(
        path=tmp_path / "venturebots.db",
        publish=gateway.fanout.publish,
        end_stream=gateway.fanout.end,
    )
    founder = await store.create_founder("hash")

    async def authenticate(_connection: HTTPConnection) -> str:
        return founder.founder_id

    gateway.services = replace(
        gateway.services,
        store=store,
        authenticate=authenticate,
        commands=CommandService(
            store=store,
            runs=NoRuns(),
            limits=MemoryLimits(LimitSettings()),
            when_busy=WhenBusy.WAIT,
        ),
    )
    async with gateway.client() as client:
        create = {"type": "session.create", "request_id": str(uuid4())}
        await client.send(create | {"opening": False})
        ack = await client.receive()
    yield Talk(gateway, store, founder.founder_id, ack["session_id"])
    await store.aclose()


def reply(pieces: int) -> list[RunProposal]:
    """A whole run with so many pieces of text."""
    message_id = str(uuid4())
    crew: dict[str, Any] = {"crew": "coach", "digest": "sha256:0", "generations": {}}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("run.started", crew),
        ("message.started", {"message_id": message_id, "agent": "coach"}),
        *(
            ("message.delta", {"message_id": message_id, "text": f"{n} "})
            for n in range(pieces)
        ),
        (
            "message.finished",
            {"message_id": message_id, "status": "complete", "length": 1},
        ),
        ("run.finished", {}),
    ]
    return [RunProposal(offset, *step) for offset, step in enumerate(steps, 1)]


async def test_a_command_sent_twice_is_acked_alike_and_done_once(talk: Talk) -> None:
    async with talk.gateway.client(talk.cursor(0)) as client:
        await client.until("live")
        command = message(talk.stream, "lunch queues")
        acks = []
        for _ in range(2):
            await client.send(command)
            acks.append((await client.until("ack"))[-1])
        await client.send(command | {"text": "something else"})
        refused = (await client.until("error"))[-1]
    assert acks[0] == acks[1]
    assert refused["code"] == "request_id_reused"
    accepted = [one for one in await talk.log() if one["type"] == "message.accepted"]
    assert [one["seq"] for one in accepted] == [acks[0]["seq"]]


@pytest.mark.parametrize("seed", range(3))
async def test_over_twenty_drops_in_one_reply_every_seq_is_shown_once(
    talk: Talk, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  # reproducible, not secret
    async with talk.gateway.client() as client:
        await client.send(message(talk.stream))
        await client.until("ack")
    run_id = await talk.dispatch()
    proposals = reply(400)

    async def append() -> None:
        left = proposals
        while left:
            size = chance.choice((1, 1, 3, 10))
            batch, left = left[:size], left[size:]
            await talk.store.append_run_events(run_id, batch)
            await asyncio.sleep(chance.choice((0, 0.001)))

    appending = asyncio.create_task(append())
    seen: list[Frame] = []
    drops = 0
    while not seen or seen[-1]["type"] != "run.finished":
        cursor = talk.cursor(seen[-1]["seq"] if seen else 0)
        async with talk.gateway.client(cursor, epoch=talk.store.epoch) as client:
            wanted = chance.randint(1, 15) if drops < 20 else 10_000
            for _ in range(wanted):
                frame = await client.receive()
                if "seq" in frame and frame["type"] != "live":
                    seen.append(frame)
                if frame["type"] == "run.finished":
                    break
            client.websocket.transport.abort()
        drops += 1
    await appending
    assert drops == 21
    assert seen == await talk.log()
    assert [one["seq"] for one in seen] == list(range(1, len(seen) + 1))


async def test_a_snapshot_and_what_follows_make_the_whole_text(talk: Talk) -> None:
    async with talk.gateway.client() as client:
        await client.send(message(talk.stream))
        await client.until("ack")
    run_id = await talk.dispatch()
    proposals = reply(30)
    await talk.store.append_run_events(run_id, proposals[:12])
    async with talk.gateway.client({"stream": talk.stream}) as client:
        snapshot, live = await client.until("live")
        assert live["seq"] == snapshot["seq"]
        await talk.store.append_run_events(run_id, proposals[12:])
        later = await client.until("run.finished")
    text = snapshot["data"]["messages"][-1]["text"]
    text += "".join(
        one["data"]["text"] for one in later if one["type"] == "message.delta"
    )
    assert text == "".join(f"{n} " for n in range(30))


async def test_after_compaction_an_old_cursor_gets_a_snapshot(talk: Talk) -> None:
    async with talk.gateway.client() as client:
        await client.send(message(talk.stream))
        await client.until("ack")
    await talk.store.append_run_events(await talk.dispatch(), reply(30))
    before = len(await talk.log())
    assert await talk.store.compact(older_than_seconds=-1, limit=1_000) > 0
    async with talk.gateway.client(
        talk.cursor(2), talk.cursor(before), epoch=talk.store.epoch
    ) as client:
        # The second subscription replaced the first: its cursor will do.
        assert (await client.receive())["type"] == "live"
        await client.send({"type": "subscribe", "streams": [talk.cursor(2)]})
        snapshot, live = await client.until("live")
    assert snapshot["seq"] == live["seq"] == before


@pytest.mark.parametrize("after_seq", [2**63 - 1, 2**63, 2**80])
async def test_a_cursor_beyond_any_log_gets_a_snapshot(
    talk: Talk, after_seq: int
) -> None:
    async with talk.gateway.client(talk.cursor(after_seq)) as client:
        assert (await client.receive())["type"] == "snapshot"


async def test_deleting_a_session_ends_its_stream_on_every_socket(talk: Talk) -> None:
    founder = {"stream": f"founder:{talk.founder_id}"}
    async with (
        talk.gateway.client(talk.cursor(0)) as one,
        talk.gateway.client(founder, talk.cursor(0)) as two,
    ):
        for client, streams in ((one, 1), (two, 2)):
            for _ in range(streams):
                await client.until("live")
        await one.send(
            {
                "type": "session.delete",
                "request_id": str(uuid4()),
                "session_id": talk.session_id,
            }
        )
        told = await _types(one, 2), await _types(two, 2)
        await one.send(message(talk.stream))
        refused = (await one.until("error"))[-1]
    assert set(told[0]) == {"stream.ended", "ack"}
    assert set(told[1]) == {"stream.ended", "session.deleted"}
    assert refused["code"] == "session_unknown"


async def _types(client: Client, count: int) -> list[str]:
    return [(await client.receive())["type"] for _ in range(count)]
