"""What an operator decides by: runs that are counted, conversations that are tried."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from libs.crewspec.canary import is_for_candidate
from services.orchestrator.app import Orchestrator
from services.orchestrator.crews.told import Assignment, Update
from services.orchestrator.engine import RunPlan
from services.orchestrator.errors import LLMUnavailableError
from services.orchestrator.tests.caller import Caller
from services.orchestrator.tests.conftest import Serve
from services.orchestrator.tests.crews import DOCUMENTS
from services.orchestrator.tests.played_operator import PlayedOperator, PlayedStream
from services.orchestrator.tests.scripted_engine import (
    Fail,
    Say,
    Script,
    ScriptedEngine,
    WaitFor,
)
from services.orchestrator.tests.told_documents import (
    candidate_of,
    digest_in,
    update_of,
)
from venturebots.crew.v1 import crew_discovery_pb2 as pb
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as run_pb

_CHANGED = DOCUMENTS.replace("You have helped many.", "You have helped a few.")
_OTHER = DOCUMENTS.replace("You have helped many.", "You have helped none.")
_OPENING = run_pb.RunRequest(opening=run_pb.OpeningTrigger())
_STABLE, _NEWER, _NEWEST = map(digest_in, (DOCUMENTS, _CHANGED, _OTHER))


@asynccontextmanager
async def rolling_out(
    serve: Serve, directory: Path, engine: ScriptedEngine, *, weight: int = 50
) -> AsyncIterator[tuple[Orchestrator, Caller, PlayedStream]]:
    """Serve a crew with a candidate."""
    async with PlayedOperator(update_of()) as operator:
        orchestrator, caller = await serve(
            engine, crew_source_address=operator.address, state_directory=directory
        )
        stream = await operator.stream()
        stream.tell(candidate_of(_CHANGED, nonce=2, weight=weight, stable=_STABLE))
        await stream.answer(2)
        yield orchestrator, caller, stream


async def metrics_of(orchestrator: Orchestrator) -> str:
    """Read the metrics."""
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{orchestrator.metrics_port}/metrics"
        return (await client.get(url)).text


def newest(stream: PlayedStream) -> dict[str, pb.Stats]:
    """The last counts that were told, by digest."""
    return {stats.digest: stats for stats in stream.stats}


async def told_turns(stream: PlayedStream, turns: int) -> dict[str, pb.Stats]:
    """Wait until so many turns were told, all revisions together."""

    def found(stream: PlayedStream) -> dict[str, pb.Stats] | None:
        told = newest(stream)
        return told if sum(one.turns for one in told.values()) == turns else None

    return await stream.until(found)


def fails_when_asked(plan: RunPlan) -> Script:
    """Fail for some founders."""
    if plan.run_id.startswith("bad"):
        return [Fail(LLMUnavailableError("no model"))]
    return [Say(["Hello"])]


async def test_runs_of_a_crew_under_roll_out_are_counted_by_revision(
    serve: Serve, tmp_path: Path
) -> None:
    engine = ScriptedEngine(fails_when_asked)
    async with rolling_out(serve, tmp_path, engine) as (orchestrator, caller, stream):
        run_ids = [f"{kind}{n}" for kind in ("good", "bad") for n in range(10)]
        for run_id in run_ids:
            await caller.run(run_id).end()
        told = await told_turns(stream, 20)
        expected = {digest: [0, 0] for digest in (_STABLE, _NEWER)}
        for run_id in run_ids:
            is_newer = is_for_candidate(f"session of {run_id}", "coaching", 50)
            counts = expected[_NEWER if is_newer else _STABLE]
            counts[0] += 1
            counts[1] += run_id.startswith("bad")
        assert {d: [one.turns, one.errors] for d, one in told.items()} == expected
        for one in told.values():
            assert one.candidate_digest == _NEWER
            assert len(one.durations) == 17
            assert sum(one.durations) == one.turns
        metrics = await metrics_of(orchestrator)
        assert 'venturebots_crew_candidate_percent{crew="coaching"} 50.0' in metrics
        assert 'venturebots_crew_source{kind="stream"} 1.0' in metrics
        assert "venturebots_crew_stream_connected 1.0" in metrics
        assert 'venturebots_crew_updates_total{result="applied"} 2.0' in metrics


async def test_stopped_runs_and_other_crews_are_not_counted(
    serve: Serve, tmp_path: Path
) -> None:
    never = asyncio.Event()
    engine = ScriptedEngine(
        lambda plan: (
            [Say(["Hm"]), WaitFor(never)]
            if plan.run_id == "stopped"
            else [Say(["Hello"])]
        )
    )
    async with rolling_out(serve, tmp_path, engine) as (_, caller, stream):
        stopped = caller.run("stopped")
        await stopped.until("message_delta")
        await caller.cancel("stopped")
        await stopped.end()
        opening = caller.run("o1", extra=_OPENING)
        await opening.end()
        await caller.run("r1").end()
        told = await told_turns(stream, 1)
        assert sum(one.turns for one in told.values()) == 1
        assert {one.crew for one in stream.stats} == {"coaching"}


async def test_a_new_candidate_begins_at_nothing_and_a_new_stream_is_told_all(
    serve: Serve, tmp_path: Path
) -> None:
    async with PlayedOperator(update_of()) as operator:
        _, caller = await serve(
            ScriptedEngine(),
            crew_source_address=operator.address,
            state_directory=tmp_path,
        )
        stream = await operator.stream()
        first = candidate_of(_CHANGED, nonce=2, weight=100, stable=_STABLE)
        stream.tell(first)
        await stream.answer(2)
        await caller.run("r1").end()
        assert (await told_turns(stream, 1))[_NEWER].turns == 1
        # A greater weight is no new candidate.
        [assignment] = first.assignments
        stream.tell(
            Update(nonce=3, assignments=(replace(assignment, candidate_weight=99),))
        )
        await stream.answer(3)
        whole = update_of()
        others = tuple(one for one in whole.assignments if one.crew != "coaching")
        operator.answers = replace(
            whole,
            assignments=(*others, *first.assignments),
            revisions=(*whole.revisions, *first.revisions),
        )
        stream.end()
        again = await operator.stream(2)
        assert (await told_turns(again, 1))[_NEWER].turns == 1
        again.tell(candidate_of(_OTHER, nonce=4, weight=100, stable=_STABLE))
        await again.answer(4)
        await caller.run("r2").end()

        def found(stream: PlayedStream) -> pb.Stats | None:
            return newest(stream).get(_NEWEST)

        told = await again.until(found)
        assert (told.turns, told.candidate_digest) == (1, _NEWEST)


async def test_counts_are_told_once_a_second_at_most(
    serve: Serve, tmp_path: Path
) -> None:
    async with rolling_out(serve, tmp_path, ScriptedEngine(), weight=100) as (
        _,
        caller,
        stream,
    ):
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(100):
            await caller.run(f"r{number}").end()
        await told_turns(stream, 100)
        assert len(stream.stats) <= 2 + (loop.time() - began)


async def test_a_probe_runs_the_named_revision_and_no_founder_sees_it(
    serve: Serve, tmp_path: Path
) -> None:
    engine = ScriptedEngine()
    async with rolling_out(serve, tmp_path, engine, weight=0) as (
        orchestrator,
        caller,
        stream,
    ):
        stream.probe(probe_id="a", crew="coaching", digest=_NEWER, message="Hi")
        stream.probe(probe_id="b", crew="coaching", digest=_STABLE)
        newer = await stream.probe_result("a")
        await stream.probe_result("b")
        assert (newer.text, list(newer.agents)) == ("Hello founder.", ["coach"])
        assert not newer.error
        plans = {plan.run_id: plan for plan in engine.plans}
        assert plans["probe-a"].crew.digest == _NEWER
        assert plans["probe-b"].crew.digest == _STABLE
        assert (plans["probe-a"].message, plans["probe-b"].message) == ("Hi", None)
        for plan in plans.values():
            assert plan.session_id == plan.run_id
            assert plan.founder_ref == "probe"
            assert plan.stubs_side_effects
            assert (plan.history, plan.summary) == ((), None)
        with pytest.raises(Exception, match="is not known here"):
            await caller.get("probe-a")
        metrics = await metrics_of(orchestrator)
        assert 'venturebots_crew_probes_total{result="answered"} 2.0' in metrics
        assert "venturebots_runs_ended_total{" not in metrics
        assert not stream.stats


async def test_probes_are_bounded_and_their_time_is(
    serve: Serve, tmp_path: Path
) -> None:
    never = asyncio.Event()
    engine = ScriptedEngine(lambda _: [Say(["Hm"]), WaitFor(never)])
    async with rolling_out(serve, tmp_path, engine, weight=0) as (_, _, stream):
        for name in "abc":
            stream.probe(
                probe_id=name,
                crew="coaching",
                digest=_NEWER,
                message="Hi",
                timeout_seconds=1,
            )
            # Asked twice, it is answered once.
            stream.probe(probe_id=name, crew="coaching", digest=_NEWER)
        result = await stream.probe_result("a")
        assert result.error == "run_timeout: no reply within 1 s"
        assert result.text == "Hm"
        assert result.duration_ms >= 1_000
        assert not any(one.probe_result.probe_id == "c" for one in stream.heard)
        await stream.probe_result("c")
        assert engine.cancelled == {"probe-a", "probe-b", "probe-c"}
        results = [one for one in stream.heard if one.HasField("probe_result")]
        assert len(results) == 3


async def test_a_probe_that_fails_says_why(serve: Serve, tmp_path: Path) -> None:
    engine = ScriptedEngine(
        lambda plan: (
            [Fail(LLMUnavailableError("no model"))]
            if plan.message == "Hi"
            else [Fail(ZeroDivisionError("secret"))]
        )
    )
    async with rolling_out(serve, tmp_path, engine, weight=0) as (
        orchestrator,
        _,
        stream,
    ):
        stream.probe(probe_id="a", crew="coaching", digest=_NEWER, message="Hi")
        stream.probe(probe_id="b", crew="coaching", digest=_NEWER, message="Ho")
        stream.probe(probe_id="c", crew="coaching", digest=_NEWEST, message="Ho")
        assert (await stream.probe_result("a")).error == "llm_unavailable: no model"
        unforeseen = (await stream.probe_result("b")).error
        assert unforeseen == "run_failed: the run failed with ZeroDivisionError"
        assert "is not in force here" in (await stream.probe_result("c")).error
        metrics = await metrics_of(orchestrator)
        assert 'venturebots_crew_probes_total{result="failed"} 3.0' in metrics


async def test_probes_end_with_their_stream(serve: Serve, tmp_path: Path) -> None:
    never = asyncio.Event()
    engine = ScriptedEngine(lambda _: [Say(["Hm"]), WaitFor(never)])
    async with rolling_out(serve, tmp_path, engine, weight=0) as (_, caller, stream):
        stream.probe(probe_id="a", crew="coaching", digest=_NEWER, message="Hi")
        async with asyncio.timeout(10):
            while not engine.plans:
                await asyncio.sleep(0.01)
            stream.end()
            while not engine.cancelled:
                await asyncio.sleep(0.01)
        assert (await caller.crews()).ready


async def test_the_end_of_a_roll_out_takes_its_weight_out_of_the_metrics(
    serve: Serve, tmp_path: Path
) -> None:
    async with rolling_out(serve, tmp_path, ScriptedEngine()) as (
        orchestrator,
        _,
        stream,
    ):
        stream.tell(Update(nonce=3, assignments=(Assignment("coaching", _NEWER),)))
        await stream.answer(3)
        assert "venturebots_crew_candidate_percent{" not in await metrics_of(
            orchestrator
        )
