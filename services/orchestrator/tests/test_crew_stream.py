"""Crews from an operator, on real sockets: what it tells is served and answered."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from libs.crewspec.canary import is_for_candidate
from services.orchestrator.app import Orchestrator
from services.orchestrator.crews.told import Assignment, Update
from services.orchestrator.tests.caller import Caller
from services.orchestrator.tests.conftest import Serve
from services.orchestrator.tests.crews import DOCUMENTS
from services.orchestrator.tests.played_operator import PlayedOperator
from services.orchestrator.tests.scripted_engine import Say, ScriptedEngine, WaitFor
from services.orchestrator.tests.told_documents import (
    candidate_of,
    digest_in,
    revisions_of,
    split,
    told_documents,
    update_of,
)
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb

_CHANGED = DOCUMENTS.replace("You have helped many.", "You have helped a few.")
_STABLE, _NEWER = digest_in(DOCUMENTS), digest_in(_CHANGED)

Follow = Callable[..., Any]


@pytest.fixture
def follow(serve: Serve, tmp_path: Path) -> Follow:
    """Start an orchestrator that follows an operator."""

    async def start(
        operator: PlayedOperator,
        engine: ScriptedEngine | None = None,
        **settings: object,
    ) -> tuple[Orchestrator, Caller]:
        return await serve(
            engine or ScriptedEngine(),
            **{
                "crew_source_address": operator.address,
                "state_directory": tmp_path / "state",
                **settings,
            },
        )

    return start


def crew_in(answer: pb.ListCrewsResponse, name: str = "coaching") -> pb.CrewStatus:
    """Find a crew."""
    return next(crew for crew in answer.crews if crew.name == name)


async def until(
    caller: Caller, is_so: Callable[[pb.ListCrewsResponse], bool]
) -> pb.ListCrewsResponse:
    """Wait until the service tells of its crews what is waited for."""
    async with asyncio.timeout(20):
        while not is_so(answer := await caller.crews()):
            await asyncio.sleep(0.02)
    return answer


async def digest_of_run(caller: Caller, run_id: str) -> str:
    """Run the crew that answers messages and name the revision it had."""
    events = await caller.run(run_id).end()
    return next(e.run_started.digest for e in events if e.HasField("run_started"))


async def test_an_orchestrator_says_who_it_is_and_serves_what_it_is_told(
    follow: Follow,
) -> None:
    async with PlayedOperator(update_of()) as operator:
        orchestrator, caller = await follow(operator, node="pod-7")
        stream = await operator.stream()
        answer = await caller.crews()
        assert (await stream.answer(1)).DESCRIPTOR.name == "Ack"
        assert await digest_of_run(caller, "r1") == _STABLE
    told = stream.subscribe
    assert (told.instance_id, told.node) == (orchestrator.instance_id, "pod-7")
    assert told.version
    assert told.packages["coaching_assistant"].startswith("sha256:")
    assert answer.source == f"stream:{operator.address}"
    assert answer.ready
    assert {crew.name for crew in answer.crews} == {"coaching", "welcome", "thorough"}


async def test_the_parts_of_an_update_are_put_in_force_together(
    follow: Follow,
) -> None:
    async with PlayedOperator(update_of()) as operator:
        _, caller = await follow(operator)
        stream = await operator.stream()
        *parts, last = split(replace(update_of(_CHANGED, nonce=2), is_whole=False))
        stream.tell(*parts)
        # A probe that is answered was read after all parts before it.
        stream.probe(probe_id="p1", crew="coaching", digest=_NEWER, message="Hello")
        assert "is not in force here" in (await stream.probe_result("p1")).error
        assert crew_in(await caller.crews()).digest == _STABLE
        stream.tell(last)
        await stream.answer(2)
        assert crew_in(await caller.crews()).digest == _NEWER


async def test_what_is_refused_is_named_and_the_rest_is_served(follow: Follow) -> None:
    async with PlayedOperator(update_of()) as operator:
        _, caller = await follow(operator)
        stream = await operator.stream()
        newer = revisions_of(_CHANGED)
        bad = replace(newer["coaching"], packages={"lawyer": "sha256:1"})
        broken = replace(told_documents(DOCUMENTS)[0], spec="{}")
        stream.tell(
            Update(
                nonce=2,
                assignments=(
                    Assignment("coaching", _NEWER),
                    Assignment("welcome", newer["welcome"].digest),
                ),
                revisions=(bad, newer["welcome"]),
                documents=(broken,),
            )
        )
        nack: Any = await stream.answer(2)
        answer = await caller.crews()
        refused = {(one.crew, one.digest, one.document) for one in nack.refusals}
        assert refused == {
            ("coaching", _NEWER, ""),
            ("", "", "ModelProvider/simulated"),
        }
        assert crew_in(answer).digest == _STABLE
        assert crew_in(answer, "welcome").digest == newer["welcome"].digest
        assert len(answer.rejected) == 2
        assert await digest_of_run(caller, "r1") == _STABLE
        # An answer speaks of all that was told: an empty update repeats it.
        stream.tell(Update(nonce=3))
        assert (await stream.answer(3)).DESCRIPTOR.name == "Nack"
        stream.tell(Update(nonce=4, removed_crews=("coaching",)))
        stream.tell(Update(nonce=5, documents=told_documents(DOCUMENTS)))
        assert (await stream.answer(5)).DESCRIPTOR.name == "Ack"
        assert not (await caller.crews()).rejected


async def test_a_lost_stream_changes_nothing_and_is_dialled_again(
    follow: Follow,
) -> None:
    async with AsyncExitStack() as stack:
        operator = await stack.enter_async_context(PlayedOperator(update_of()))
        orchestrator, caller = await follow(operator)
        await operator.stream()
        before = await caller.crews()
        await operator.stop()
        assert await digest_of_run(caller, "r1") == _STABLE
        after = await caller.crews()
        assert (after.crews, after.source) == (before.crews, before.source)
        again = PlayedOperator(update_of(_CHANGED), port=operator.port)
        await stack.enter_async_context(again)
        stream = await again.stream()
        assert stream.subscribe.instance_id == orchestrator.instance_id
        await until(caller, lambda told: crew_in(told).digest == _NEWER)


@pytest.mark.parametrize("way", ["ended", "not whole", "mixed", "untold"])
async def test_a_stream_that_breaks_its_rules_is_opened_anew(
    follow: Follow, way: str
) -> None:
    async with PlayedOperator(update_of()) as operator:
        _, caller = await follow(operator)
        stream = await operator.stream()
        await stream.answer(1)
        match way:
            case "ended":
                stream.end()
            case "mixed":
                stream.tell(Update(nonce=2, is_last=False), Update(nonce=3))
            case "untold":
                gone = Assignment("coaching", "sha256:gone")
                stream.tell(Update(nonce=2, assignments=(gone,)))
            case _:
                operator.answers = replace(update_of(), is_whole=False)
                stream.end()
                await (await operator.stream(2)).is_over.wait()
                operator.answers = update_of()
        last = await operator.stream(3 if way == "not whole" else 2)
        await last.answer(1)
        assert crew_in(await caller.crews()).digest == _STABLE


async def test_a_standby_alone_is_asked_again_until_it_leads(follow: Follow) -> None:
    async with PlayedOperator(update_of(), stands_by=True) as operator:
        starting = asyncio.create_task(follow(operator, crew_source_wait_seconds=0))
        await operator.refusals(3)
        assert not starting.done()
        operator.stands_by = False
        _, caller = await starting
        assert (await caller.crews()).ready


async def test_a_wrong_token_is_refused_and_the_right_one_is_taken_up(
    follow: Follow, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.write_text("wrong")
    theirs.write_text("right")
    async with PlayedOperator(update_of(), token_file=theirs) as operator:
        starting = asyncio.create_task(
            follow(operator, crew_token_file=ours, crew_source_wait_seconds=0.3)
        )
        await asyncio.wait([starting], timeout=0.5)
        assert not starting.done()
        assert not operator.streams
        ours.write_text("right!")
        theirs.write_text("right!")
        _, caller = await starting
        assert (await caller.crews()).ready


async def test_sessions_are_split_by_weight_and_a_run_keeps_its_revision(
    follow: Follow,
) -> None:
    gate = asyncio.Event()
    engine = ScriptedEngine(
        lambda plan: (
            [Say(["Hm"]), WaitFor(gate), Say(["."])]
            if plan.run_id == "slow"
            else [Say(["Hello"])]
        )
    )
    async with PlayedOperator(update_of()) as operator:
        _, caller = await follow(operator, engine)
        stream = await operator.stream()
        slow = caller.run("slow")
        await slow.until("message_delta")
        stream.tell(candidate_of(_CHANGED, nonce=2, weight=30, stable=_STABLE))
        await stream.answer(2)
        told = crew_in(await caller.crews())
        assert (told.digest, told.candidate_digest) == (_STABLE, _NEWER)
        assert told.candidate_weight == 30
        for number in range(60):
            session = f"session of r{number}"
            is_candidate = is_for_candidate(session, "coaching", 30)
            digest = await digest_of_run(caller, f"r{number}")
            assert digest == (_NEWER if is_candidate else _STABLE)
        stream.tell(Update(nonce=3, assignments=(Assignment("coaching", _NEWER),)))
        await stream.answer(3)
        gate.set()
        events = await slow.end()
        assert {plan.crew.digest for plan in engine.plans if plan.run_id == "slow"} == {
            _STABLE
        }
        assert events[-1].HasField("run_finished")
        assert await digest_of_run(caller, "after") == _NEWER
        assert crew_in(await caller.crews()).candidate_digest == ""


async def test_a_crew_without_a_trusted_revision_answers_nobody(follow: Follow) -> None:
    first = candidate_of(DOCUMENTS, nonce=2, weight=100, stable=None)
    whole = update_of()
    without = tuple(one for one in whole.assignments if one.crew != "coaching")
    async with PlayedOperator(replace(whole, assignments=without)) as operator:
        _, caller = await follow(operator)
        stream = await operator.stream()
        stream.tell(first)
        await stream.answer(2)
        told = crew_in(await caller.crews())
        assert (told.digest, told.candidate_digest) == ("", _STABLE)
        with pytest.raises(Exception, match="no crew answers Message"):
            await caller.run("r1").end()
        stream.tell(Update(nonce=3, assignments=(Assignment("coaching", _STABLE),)))
        await stream.answer(3)
        assert await digest_of_run(caller, "r2") == _STABLE
