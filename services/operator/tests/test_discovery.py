"""The stream to orchestrators, by a real client on a real socket."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import json_format

from libs.crewspec.documents import Kind
from libs.rpc import BearerToken, RemoteError, create_server, from_rpc_error
from services.operator.discovery import Discovery, bootstrap_text
from services.operator.fleet import Fleet
from services.operator.plan import Assignment, ProbeToStart
from services.operator.published import LiveDocument, Published, PublishedRevision
from services.operator.stored_object import ObjectName
from venturebots.crew.v1 import crew_discovery_pb2 as pb
from venturebots.crew.v1 import crew_discovery_pb2_grpc as pb_grpc

type _Call = grpc.aio.StreamStreamCall[
    pb.StreamRevisionsRequest, pb.StreamRevisionsResponse
]
_POLICY = ObjectName(Kind.GUARDRAIL_POLICY, "mild")


@dataclass(slots=True)
class _Served:
    address: str
    published: Published
    fleet: Fleet
    discovery: Discovery
    news: asyncio.Queue[set[str]]
    gone: list[frozenset[str]]
    channels: list[grpc.aio.Channel] = field(default_factory=list)

    def serve(
        self, crew: str, stable: str, candidate: str = "", *, content: str = "{}"
    ) -> None:
        weight = 10 if candidate else 0
        revisions = [
            PublishedRevision(digest, content, {"coaching": "sha256:1"})
            for digest in (stable, candidate)
            if digest
        ]
        assignment = Assignment(crew, stable, candidate, weight)
        self.fleet.assigned(assignment)
        self.published.assign(assignment, revisions)

    def call(self, *, token: str = "") -> _Call:
        channel = grpc.aio.insecure_channel(
            self.address, options=[("grpc.max_receive_message_length", 4_000_000)]
        )
        self.channels.append(channel)
        metadata = (("authorization", f"Bearer {token}"),) if token else None
        call: _Call = pb_grpc.CrewDiscoveryServiceStub(channel).StreamRevisions(
            metadata=metadata
        )
        return call

    async def subscribed(self, instance: str = "o1") -> _Call:
        call = self.call()
        subscribe = pb.Subscribe(instance_id=instance, version="1", node="n")
        await call.write(pb.StreamRevisionsRequest(subscribe=subscribe))
        return call


@asynccontextmanager
async def _serving(
    *, token: BearerToken | None = None, is_open: bool = True
) -> AsyncGenerator[_Served]:
    published, gone = Published(), list[frozenset[str]]()
    news = asyncio.Queue[set[str]]()

    def note(crews: Iterable[str]) -> None:
        news.put_nowait(set(crews))

    fleet = Fleet(on_news=note, on_stats=lambda crew: note([crew]))
    discovery = Discovery(
        home="home", published=published, fleet=fleet, on_disconnect=gone.append
    )
    server = create_server(token=token)
    discovery.add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    if is_open:
        discovery.open()
    served = _Served(f"127.0.0.1:{port}", published, fleet, discovery, news, gone)
    try:
        yield served
    finally:
        for channel in served.channels:
            await channel.close()
        await server.stop(0)


async def _update(call: _Call) -> pb.Update:
    async with asyncio.timeout(20):
        response = await call.read()
    assert isinstance(response, pb.StreamRevisionsResponse)
    return response.update


async def _answer(call: _Call, **payload: Any) -> None:
    await call.write(pb.StreamRevisionsRequest(**payload))


async def _refused(call: _Call) -> RemoteError:
    """Wait for the end of a stream and return why it came."""
    async with asyncio.timeout(20):
        error = grpc.aio.AioRpcError(
            await call.code(),
            await call.initial_metadata(),
            await call.trailing_metadata(),
            details=await call.details(),
        )
    return from_rpc_error(error)


async def test_first_everything_is_told_then_only_what_changes() -> None:
    async with _serving() as served:
        served.serve("coaching", "a")
        served.published.put_document(LiveDocument(_POLICY, 1, '{"maxToolCalls":3}'))
        call = await served.subscribed()

        whole = await _update(call)
        served.serve("coaching", "a", "b")
        delta = await _update(call)
        served.published.put_document(LiveDocument(_POLICY, 2, "{}"))
        changed = await _update(call)
        served.published.withdraw("coaching")
        served.published.withdraw_document(_POLICY)
        gone = await _update(call)

    assert whole.is_whole
    assert whole.is_last
    assert whole.home == delta.home == "home"
    assert [each.stable_digest for each in whole.assignments] == ["a"]
    assert [each.digest for each in whole.revisions] == ["a"]
    assert dict(whole.revisions[0].packages) == {"coaching": "sha256:1"}
    assert [each.name for each in whole.documents] == ["mild"]
    assert not delta.is_whole
    assert delta.nonce > whole.nonce
    assert [each.candidate_weight for each in delta.assignments] == [10]
    assert [each.digest for each in delta.revisions] == ["b"]
    assert [each.generation for each in changed.documents] == [2]
    assert list(gone.removed_crews) == ["coaching"]
    assert [(each.kind, each.name) for each in gone.removed_documents] == [
        ("GuardrailPolicy", "mild")
    ]


async def test_the_first_update_comes_though_there_is_nothing() -> None:
    async with _serving() as served:
        whole = await _update(await served.subscribed())

    assert whole.is_whole
    assert whole.is_last
    assert not whole.assignments


async def test_what_changes_often_is_told_as_it_is_at_last() -> None:
    async with _serving() as served:
        call = await served.subscribed()
        await _update(call)
        for number in range(50):
            served.serve("coaching", f"digest-{number}")
        update = await _update(call)

    assert [each.stable_digest for each in update.assignments] == ["digest-49"]
    assert [each.digest for each in update.revisions] == ["digest-49"]


async def test_what_is_large_comes_in_parts_of_one_update() -> None:
    async with _serving() as served:
        for number in range(12):
            served.serve(f"crew-{number}", f"{number}", content="x" * 800_000)
        call = await served.subscribed()
        parts = [await _update(call)]
        while not parts[-1].is_last:
            parts.append(await _update(call))

    assert len(parts) >= 4
    assert {part.nonce for part in parts} == {1}
    assert all(part.is_whole for part in parts)
    assert max(part.ByteSize() for part in parts) < 3_000_200
    assert sum(len(part.assignments) for part in parts) == 12


async def test_answers_reach_the_fleet() -> None:
    async with _serving() as served:
        served.serve("coaching", "a", "b")
        call = await served.subscribed()
        update = await _update(call)
        refusal = pb.Refusal(crew="coaching", digest="b", detail="no such tool")
        nack = pb.Nack(nonce=update.nonce, refusals=[refusal])
        await _answer(call, nack=nack)
        assert await served.news.get() == {"coaching"}
        refused = served.fleet.view("coaching")
        await _answer(call, ack=pb.Ack(nonce=update.nonce))
        assert await served.news.get() == {"coaching"}
        healed = served.fleet.view("coaching")
        stats = pb.Stats(
            crew="coaching",
            digest="b",
            candidate_digest="b",
            turns=3,
            errors=1,
            durations=[1, 2],
        )
        await _answer(call, stats=stats)
        assert await served.news.get() == {"coaching"}

    assert refused.refused == {"b": {"o1": "no such tool"}}
    assert refused.serving == {"o1": frozenset({"a"})}
    assert healed.serving == {"o1": frozenset({"a", "b"})}
    counted = served.fleet.view("coaching").stats["b"]
    assert (counted.turns, counted.errors) == (3, 1)
    assert counted.durations == (1, 2, *(0,) * 15)


async def test_a_probe_is_asked_for_and_its_outcome_heard() -> None:
    async with _serving() as served:
        served.serve("coaching", "a", "b")
        call = await served.subscribed()
        update = await _update(call)
        await _answer(call, ack=pb.Ack(nonce=update.nonce))
        await served.news.get()
        served.fleet.start_probe("coaching", ProbeToStart("b", "greets", "Hi", 5))
        response = await call.read()
        assert isinstance(response, pb.StreamRevisionsResponse)
        request = response.probe_request
        result = pb.ProbeResult(
            probe_id=request.probe_id, text="Hello.", agents=["coach"], duration_ms=9
        )
        await _answer(call, probe_result=result)
        await served.news.get()

    assert (request.crew, request.digest, request.message) == ("coaching", "b", "Hi")
    outcome = served.fleet.view("coaching").probes["b"]["greets"]
    assert (outcome.text, outcome.agents, outcome.error) == ("Hello.", ("coach",), "")


async def test_a_replica_that_stands_by_says_so() -> None:
    async with _serving(is_open=False) as served:
        refused = await _refused(await served.subscribed())

    assert refused.code == "not_leading"
    assert refused.kind == "precondition"


async def test_streams_end_when_the_replica_leads_no_longer() -> None:
    async with _serving() as served:
        served.serve("coaching", "a")
        call = await served.subscribed()
        update = await _update(call)
        await _answer(call, ack=pb.Ack(nonce=update.nonce))
        await served.news.get()
        served.discovery.close()
        refused = await _refused(call)
        again = await _refused(await served.subscribed())

    assert refused.code == again.code == "not_leading"
    assert served.gone == [frozenset({"coaching"})]
    assert served.fleet.connected == 0


async def test_the_same_orchestrator_has_one_stream_the_last() -> None:
    async with _serving() as served:
        first = await served.subscribed()
        await _update(first)
        second = await served.subscribed()
        await _update(second)

        assert (await _refused(first)).code == "replaced"
        assert served.fleet.connected == 1
        served.serve("coaching", "a")
        assert [each.crew for each in (await _update(second)).assignments] == [
            "coaching"
        ]


async def test_a_stream_without_a_subscription_is_refused() -> None:
    async with _serving() as served:
        call = served.call()
        await _answer(call, ack=pb.Ack(nonce=1))

        assert (await _refused(call)).code == "invalid_subscription"


async def test_a_wrong_token_or_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("right")
    async with _serving(token=BearerToken(file)) as served:
        subscribe = pb.Subscribe(instance_id="o1")
        codes = []
        for token in ("", "wrong"):
            call = served.call(token=token)
            await _answer(call, subscribe=subscribe)
            codes.append((await _refused(call)).code)
        call = served.call(token="right")  # noqa: S106 - of a test
        await _answer(call, subscribe=subscribe)
        assert (await _update(call)).is_whole

    assert codes == ["rpc_unauthenticated"] * 2


async def test_an_orchestrator_that_answers_nothing_is_told_no_more_than_it_holds() -> (
    None
):
    async with _serving() as served:
        call = await served.subscribed()
        updates: Sequence[pb.Update] = [await _update(call)]
        for number in range(15):
            served.serve("coaching", f"digest-{number}")
            updates = [*updates, await _update(call)]
        for number in range(20):
            served.serve("coaching", f"late-{number}")
        reading = asyncio.create_task(_update(call))
        await asyncio.sleep(0)
        assert not reading.done()
        await _answer(call, ack=pb.Ack(nonce=updates[-1].nonce))
        update = await reading

    assert [each.stable_digest for each in update.assignments] == ["late-19"]


def test_what_restarts_begin_with_is_one_whole_update_without_candidates() -> None:
    published = Published()
    revisions = [PublishedRevision(digest, "{}", {}) for digest in ("a", "b")]
    published.assign(Assignment("coaching", "a", "b", 50), revisions)
    published.assign(Assignment("fresh", "", "b", 0), revisions)
    published.put_document(LiveDocument(_POLICY, 3, "{}"))

    text = bootstrap_text(published.stable(), home="home")

    update = json_format.Parse(text, pb.Update())
    assert update.is_whole
    assert update.is_last
    assert update.home == "home"
    assert [(each.crew, each.stable_digest) for each in update.assignments] == [
        ("coaching", "a")
    ]
    assert [each.digest for each in update.revisions] == ["a"]
    assert [each.name for each in update.documents] == ["mild"]
    assert "candidate" not in json.dumps(json.loads(text))
