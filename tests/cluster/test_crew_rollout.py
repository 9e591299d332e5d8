"""A changed crew reaches founders: probed, shared out, promoted or taken back."""

import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from libs.crewspec.canary import is_for_candidate
from libs.testing.client import FounderClient
from tests.cluster.crews import Crews, served_digest
from tests.cluster.kubernetes import Release, wait_until
from tests.cluster.pods import kill
from tests.cluster.speaker import speaker_values, start_speaker
from tests.cluster.test_smoke import answers_through_ingress
from tests.figures import figure

pytestmark = pytest.mark.timeout(1200)

_CREW = "coaching"
_ORCHESTRATORS = 2
_SESSIONS = 1000
_POINTS = 5
_LOOP_SECONDS = 60
_EDITS = 20
_LOADED_SECONDS = 0.5
"""For 95 of 100 changes."""
_GOOD = "[tokens:5] Answer {message}"
_FAILING = "[fault:500] Answer {message}"
_FAILING_TOO = "[fault:500] Answer {message} again"
"""Another: what was given up once is not tried again."""
_QUIET = {"waitForTurns": False}
"""For roll-outs during which hardly anybody talks."""
_OTHER = "[tokens:6] Answer {message}"


@pytest.fixture(scope="module")
def crews(shared_empty_release: Release) -> Crews:
    """A release with two orchestrators and a model whose words are known."""
    release = shared_empty_release
    start_speaker(release)
    values = speaker_values()
    values["orchestrator"]["replicas"] = _ORCHESTRATORS
    release.install(**values)
    answers_through_ingress(release)
    crews = Crews(release)
    _calm(crews)
    return crews


@pytest.fixture
def calm(crews: Crews) -> Crews:
    """The crew as every test begins: ready, without probes and steps."""
    _calm(crews)
    return crews


def _calm(crews: Crews) -> None:
    crews.patch(_CREW, {"paused": False, "rollout": None})
    crews.say(_CREW, _GOOD)
    crews.until(_CREW, "Ready", "True")


@asynccontextmanager
async def _chatting(crews: Crews) -> AsyncIterator[Counter[str]]:
    """Talk one message after another; count the digests that answered.

    A reply that is not whole fails the test.
    """
    digests: Counter[str] = Counter()
    is_over = asyncio.Event()

    async def talk(founder: FounderClient) -> None:
        while not is_over.is_set():
            session = await founder.create_session()
            digests[await served_digest(founder, session["session_id"], "Go on")] += 1

    async with (
        await FounderClient.arrive(crews.release.url) as founder,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(talk(founder))
        try:
            yield digests
        finally:
            is_over.set()


async def test_a_bad_prompt_is_taken_back_without_a_human(calm: Crews) -> None:
    stable = calm.stable(_CREW)
    calm.patch(
        _CREW,
        {"rollout": {"probes": [{"name": "talks", "message": "I copy invoices"}]}},
    )
    async with _chatting(calm) as digests:
        ends_at = time.monotonic() + _LOOP_SECONDS
        await asyncio.to_thread(calm.say, _CREW, _FAILING)
        seconds = await asyncio.to_thread(
            calm.until, _CREW, "RolledBack", "True", "ProbeFailed"
        )
        bad = calm.newest(_CREW)
        while time.monotonic() < ends_at:
            await asyncio.sleep(1)
    figure(
        f"bad prompt rolled back after {seconds:.1f} s; {sum(digests.values())} turns"
    )
    assert bad != stable
    assert calm.stable(_CREW) == stable
    assert set(digests) == {stable}
    assert calm.condition(_CREW, "Ready")[0] == "False"
    reasons = [
        event["reason"]
        for event in calm.release.objects("events.events.k8s.io")
        if event["regarding"]["name"] == _CREW and event["type"] == "Warning"
    ]
    assert reasons


async def test_a_canary_that_fails_turns_is_taken_back(calm: Crews) -> None:
    stable = calm.stable(_CREW)
    analysis = {"minTurns": 3, "maxErrorPoints": 5}
    steps = [{"weight": 50, "pauseSeconds": 600}, {"weight": 100}]
    calm.patch(_CREW, {"rollout": {"steps": steps, "analysis": analysis}})
    await asyncio.to_thread(calm.say, _CREW, _FAILING_TOO)
    await asyncio.to_thread(calm.until, _CREW, "Reconciling", "True", "Canary")

    async with await FounderClient.arrive(calm.release.url) as founder:
        ends = Counter[str]()
        while calm.condition(_CREW, "RolledBack")[0] != "True":
            assert sum(ends.values()) < 60, "60 turns, and no conclusion"
            session = (await founder.create_session())["session_id"]
            async with founder.following(session) as socket:
                run = (await founder.send(session, "Go on"))["run_id"]
                await socket.ended(f"session:{session}", run)
                ends[socket.state(f"session:{session}").run_ends[run]] += 1

        assert calm.condition(_CREW, "RolledBack")[1] == "WorseThanStable"
        assert calm.stable(_CREW) == stable
        session = (await founder.create_session())["session_id"]
        assert await served_digest(founder, session, "Go on") == stable
    figure(f"failing canary taken back after {dict(ends)}")


async def test_sessions_are_split_by_the_weight_and_keep_their_side(
    calm: Crews,
) -> None:
    """The split is counted on many ids, and on real sessions held to the same rule."""
    stable = calm.stable(_CREW)
    steps = [{"weight": 30, "requireApproval": True}, {"weight": 100}]
    calm.patch(_CREW, {"rollout": {"steps": steps, "analysis": _QUIET}})
    await asyncio.to_thread(calm.say, _CREW, _OTHER)
    await asyncio.to_thread(
        calm.until, _CREW, "Reconciling", "True", "AwaitingApproval"
    )
    candidate = calm.newest(_CREW)
    async with await FounderClient.arrive(calm.release.url) as founder:
        sessions = [
            (await founder.create_session())["session_id"] for _ in range(_SESSIONS)
        ]
        chosen = {each for each in sessions if is_for_candidate(each, _CREW, 30)}
        share = 100 * len(chosen) / len(sessions)
        tried = sessions[:60]
        first = [await served_digest(founder, each, "Go on") for each in tried]
        again = [await served_digest(founder, each, "Go on") for each in tried[:20]]
    figure(f"share of {_SESSIONS} sessions at weight 30: {share:.1f} %")
    assert abs(share - 30) <= _POINTS
    expected = [candidate if each in chosen else stable for each in tried]
    assert first == expected
    assert again == first[:20]

    calm.annotate(_CREW, "approve", "true")
    await asyncio.to_thread(calm.until, _CREW, "Ready", "True")
    assert calm.stable(_CREW) == candidate


async def test_a_run_keeps_its_revision_while_the_crew_changes(calm: Crews) -> None:
    stable = calm.stable(_CREW)
    async with await FounderClient.arrive(calm.release.url) as founder:
        session = (await founder.create_session())["session_id"]
        stream = f"session:{session}"
        async with founder.following(session) as socket:
            await asyncio.to_thread(calm.say, _CREW, "[tokens:200] {message}")
            await asyncio.to_thread(calm.until, _CREW, "Ready", "True")
            slow = calm.stable(_CREW)
            run = (await founder.send(session, "Go on"))["run_id"]
            await socket.until(lambda: bool(socket.state(stream).seen("message.delta")))
            await asyncio.to_thread(calm.say, _CREW, _OTHER)
            await asyncio.to_thread(calm.until, _CREW, "Ready", "True")
            await socket.ended(stream, run)
            assert socket.state(stream).run_ends[run] == "run.finished"
        [told] = [
            event["data"]["digest"]
            for event in socket.state(stream).seen("run.started")
            if event["run_id"] == run
        ]
    assert told == slow
    assert slow != stable
    assert calm.stable(_CREW) != slow


def test_a_change_is_loaded_everywhere_within_half_a_second(calm: Crews) -> None:
    calm.patch(
        _CREW, {"rollout": {"steps": [{"weight": 100, "requireApproval": True}]}}
    )
    calm.until(_CREW, "Ready", "True")
    seconds = [
        calm.loaded_after(_CREW, f"[tokens:5] Answer {{message}} {number}")
        for number in range(_EDITS)
    ]
    figure(
        f"spec change to loaded by {_ORCHESTRATORS}: p50"
        f" {1000 * statistics.median(seconds):.0f} ms, worst"
        f" {1000 * max(seconds):.0f} ms of {_EDITS}"
    )
    calm.say(_CREW, _GOOD)
    assert sorted(seconds)[-2] <= _LOADED_SECONDS


async def test_an_edit_of_an_agent_rolls_the_crews_that_name_it_as_a_canary(
    calm: Crews,
) -> None:
    steps = [{"weight": 50, "requireApproval": True}, {"weight": 100}]
    calm.patch(_CREW, {"rollout": {"steps": steps}})
    stable = calm.stable(_CREW)
    release = calm.release
    coach = release.kubernetes.object("agent", "coach", namespace=release.namespace)
    calm.patch("coach", {"goal": "Help one founder at a time"}, kind="agent")

    await asyncio.to_thread(
        calm.until, _CREW, "Reconciling", "True", "AwaitingApproval"
    )

    assert calm.status(_CREW)["canaryWeight"] == 50
    assert calm.stable(_CREW) == stable
    calm.annotate(_CREW, "abort", "true")
    await asyncio.to_thread(calm.until, _CREW, "RolledBack", "True", "Aborted")
    assert calm.stable(_CREW) == stable
    calm.patch("coach", {"goal": coach["spec"]["goal"]}, kind="agent")


def _replace_operator(release: Release) -> None:
    deployment = f"deployment/{release.fullname('operator')}"
    release.kubectl("rollout", "restart", deployment)
    release.rolled_out("operator")


@pytest.mark.parametrize(
    ("end", "tokens"),
    [(partial(kill, service="operator"), 7), (_replace_operator, 10)],
    ids=["killed", "replaced"],
)
async def test_another_operator_goes_on_with_the_canary_where_it_was(
    calm: Crews, end: Callable[[Release], object], tokens: int
) -> None:
    steps = [
        {"weight": 20, "requireApproval": True},
        {"weight": 60, "requireApproval": True},
        {"weight": 100},
    ]
    calm.patch(_CREW, {"rollout": {"steps": steps, "analysis": _QUIET}})
    await asyncio.to_thread(calm.say, _CREW, f"[tokens:{tokens}] Answer {{message}}")
    await asyncio.to_thread(
        calm.until, _CREW, "Reconciling", "True", "AwaitingApproval"
    )
    calm.annotate(_CREW, "approve", "true")
    await asyncio.to_thread(_until_weight, calm, 60)

    await asyncio.to_thread(end, calm.release)

    assert calm.status(_CREW)["canaryWeight"] == 60
    calm.annotate(_CREW, "approve", "true")
    await asyncio.to_thread(calm.until, _CREW, "Ready", "True")
    assert calm.stable(_CREW) == calm.newest(_CREW)


def _until_weight(crews: Crews, weight: int) -> None:
    def is_so() -> bool:
        return bool(crews.status(_CREW).get("canaryWeight") == weight)

    wait_until(is_so, f"weight {weight}")


def test_a_person_can_go_back_by_name(calm: Crews) -> None:
    before = calm.stable(_CREW)
    calm.say(_CREW, "[tokens:8] Answer {message}")
    calm.until(_CREW, "Ready", "True")
    assert calm.stable(_CREW) != before

    calm.annotate(_CREW, "rollback-to", before)
    calm.until(_CREW, "RolledBack", "True", "RolledBackOnRequest")

    assert calm.stable(_CREW) == before
    notes = calm.get(_CREW)["metadata"].get("annotations", {})
    assert not [name for name in notes if name.endswith("rollback-to")]


def test_a_paused_crew_waits_and_says_so(calm: Crews) -> None:
    stable = calm.stable(_CREW)
    calm.patch(_CREW, {"paused": True})
    calm.say(_CREW, "[tokens:9] Answer {message}")
    calm.until(_CREW, "Reconciling", "False", "Paused")
    assert calm.stable(_CREW) == stable
    assert json.dumps(calm.status(_CREW)).count("Paused") >= 1

    calm.patch(_CREW, {"paused": False})
    calm.until(_CREW, "Ready", "True")
    assert calm.stable(_CREW) != stable
