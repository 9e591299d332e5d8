"""A candidate meets its probes before it meets a founder."""

import pytest

from libs.crewspec.annotations import RequestAnnotation
from libs.crewspec.rollout import Expectation
from libs.crewspec.status import ConditionType, LastProbe, Phase
from services.operator.observed import ProbeOutcome
from services.operator.plan import Assignment, ProbeToStart
from services.operator.probes import lacking
from services.operator.tests.observed_of import START, World, condition, told

READY, BACK = ConditionType.READY, ConditionType.ROLLED_BACK
PROBES = [
    {"name": "greets", "message": "Hi", "expect": {"contains": ["Hello"]}},
    {"name": "opens", "timeoutSeconds": 5},
]


def probing() -> tuple[World, str]:
    """Return a world whose first revision waits for its probes, and its digest."""
    world = World()
    world.roll_out(probes=PROBES)
    digest = world.settle().status.newest_digest
    world.wait(1)
    world.ack_all()
    world.settle()
    return world, digest


def changed() -> tuple[World, str, str]:
    """Return a world whose second revision waits for its probes, and both digests."""
    world, stable = probing()
    world.reply(stable, "greets")
    world.reply(stable, "opens")
    world.settle()
    world.wait(60)
    world.say("Second")
    digest = world.settle().status.newest_digest
    world.ack_all()
    world.settle()
    world.events.clear()
    return world, stable, digest


@pytest.mark.parametrize(
    ("expect", "text", "problem"),
    [
        ({}, "Hello", ""),
        ({}, " \n", "has 0 characters, not 1"),
        ({"minChars": 0}, "", ""),
        ({"minChars": 10}, " Hello ", "has 5 characters, not 10"),
        ({"contains": ["ell", "o"]}, "Hello", ""),
        ({"contains": ["hello"]}, "Hello", "does not contain 'hello'"),
        ({"notContains": ["help"]}, "Hello", ""),
        ({"notContains": ["ell"]}, "Hello", "contains 'ell'"),
        ({"agents": ["coach"]}, "Hello", ""),
        ({"agents": ["coach", "critic"]}, "Hello", "agent 'critic' took no part"),
    ],
)
def test_a_reply_is_held_against_what_is_expected(
    expect: dict[str, object], text: str, problem: str
) -> None:
    outcome = ProbeOutcome(text, ("coach",), "", 10, START)
    assert lacking(outcome, Expectation.model_validate(expect)) == problem


def test_a_probe_without_a_reply_failed_whatever_is_expected() -> None:
    outcome = ProbeOutcome("", (), "it took too long", 5_000, START)
    expect = Expectation.model_validate({"minChars": 0})
    assert lacking(outcome, expect) == "no reply: it took too long"


def test_probes_start_once_enough_orchestrators_have_the_candidate() -> None:
    world = World()
    world.roll_out(probes=PROBES)
    plan = world.settle()
    digest = plan.status.newest_digest
    assert plan.probes == ()
    world.ack_all()
    plan = world.settle()
    assert plan.probes == (
        ProbeToStart(digest, "greets", "Hi", 60),
        ProbeToStart(digest, "opens", None, 5),
    )
    assert plan.assignment == Assignment("coaching", "", digest, 0)
    assert plan.status.phase is Phase.PROBING
    assert told(world, ConditionType.RECONCILING) == ("True", "Probing")
    assert told(world, ConditionType.PROGRAMMED) == ("True", "Distributed")
    assert plan.status.summary == "3/3"


def test_a_probe_that_ended_is_not_asked_for_again() -> None:
    world, digest = probing()
    world.reply(digest, "greets")
    plan = world.settle()
    assert [probe.name for probe in plan.probes] == ["opens"]
    assert plan.status.last_probe == LastProbe()


def test_a_candidate_that_passes_serves_everybody() -> None:
    world, digest = probing()
    world.reply(digest, "greets")
    world.wait(2)
    world.reply(digest, "opens")
    world.wait(5)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", digest, "", 0)
    assert told(world, READY) == ("True", "Serving")
    assert plan.probes == ()
    assert plan.status.last_probe == LastProbe(
        digest=digest, time="2026-05-01T08:00:03Z", passed=2, total=2
    )
    # Distributed, probing, ready.
    assert world.writes == 3


def test_a_candidate_that_fails_is_given_up_and_founders_never_met_it() -> None:
    world, stable, digest = changed()
    world.reply(digest, "greets", "Bye")
    world.reply(digest, "opens", error="a model failed")
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert plan.status.failed_digests == (digest,)
    assert told(world, BACK) == ("True", "ProbeFailed")
    assert told(world, READY) == ("False", "RolledBack")
    assert plan.status.last_probe.passed == 0
    message = "0 of 2 passed; greets: does not contain 'Hello'"
    assert condition(world, BACK).message == message
    assert world.events == [("Warning", "ProbeFailed")]


def test_the_first_revision_that_fails_serves_nobody() -> None:
    world, digest = probing()
    world.reply(digest, "greets", "Bye")
    world.reply(digest, "opens")
    plan = world.settle()
    assert plan.assignment is None
    assert plan.status.failed_digests == (digest,)
    assert plan.status.phase is Phase.ROLLED_BACK


def test_outcomes_of_an_earlier_attempt_do_not_count() -> None:
    world, _, digest = changed()
    world.reply(digest, "greets", "Bye")
    world.reply(digest, "opens")
    world.settle()
    world.wait(1)
    world.ask(RequestAnnotation.APPROVE, digest)
    world.settle()
    world.ack_all()
    plan = world.settle()
    assert plan.status.phase is Phase.PROBING
    assert [probe.name for probe in plan.probes] == ["greets", "opens"]
    world.reply(digest, "greets")
    world.reply(digest, "opens")
    assert world.settle().status.stable_digest == digest


def test_probes_that_never_end_are_waited_for_until_the_deadline() -> None:
    world, _, digest = changed()
    plan = world.settle()
    assert plan.again_in_seconds == 600
    world.reply(digest, "greets", "Bye")
    world.wait(600)
    plan = world.settle()
    assert told(world, BACK) == ("True", "ProgressDeadlineExceeded")
    assert "waits for the outcome of its probes" in condition(world, BACK).message


def test_probes_that_are_taken_away_are_not_waited_for() -> None:
    world, _, digest = changed()
    world.roll_out(probes=[])
    assert world.settle().status.stable_digest == digest


def test_probes_can_be_run_anew_without_changing_the_roll_out() -> None:
    world, stable = probing()
    world.reply(stable, "greets")
    world.reply(stable, "opens")
    world.settle()
    world.wait(60)
    world.ask(RequestAnnotation.PROBE)
    plan = world.settle()
    assert [probe.digest for probe in plan.probes] == [stable, stable]
    asked = plan.status.last_probe
    assert (asked.asked_at, asked.time) == ("2026-05-01T08:01:01.000000Z", "")
    assert world.annotations == {}
    world.wait(1)
    world.reply(stable, "greets", "Bye")
    world.reply(stable, "opens")
    plan = world.settle()
    assert plan.probes == ()
    assert plan.status.last_probe.passed == 1
    assert plan.status.last_probe.time == "2026-05-01T08:01:02Z"
    assert plan.status.failed_digests == ()
    assert told(world, READY) == ("True", "Serving")


def test_asking_twice_for_probes_asks_once() -> None:
    world, stable = probing()
    world.reply(stable, "greets")
    world.reply(stable, "opens")
    world.settle()
    world.wait(60)
    world.ask(RequestAnnotation.PROBE)
    asked = world.settle().status.last_probe
    world.wait(1)
    world.ask(RequestAnnotation.PROBE, stable)
    assert world.settle().status.last_probe == asked


def test_probes_of_a_candidate_that_run_already_are_not_run_twice() -> None:
    world, _, digest = changed()
    world.ask(RequestAnnotation.PROBE)
    plan = world.settle()
    assert [probe.digest for probe in plan.probes] == [digest, digest]
    assert plan.status.last_probe.asked_at == ""


def test_other_probes_have_to_wait_for_those_of_the_candidate() -> None:
    world, stable, digest = changed()
    world.ask(RequestAnnotation.PROBE, stable)
    plan = world.settle()
    assert {probe.digest for probe in plan.probes} == {digest}
    assert world.events == [("Warning", "RequestIgnored")]


def test_a_candidate_that_failed_and_waits_for_a_person_can_be_probed_anew() -> None:
    world, _, digest = changed()
    world.roll_out(autoRollback=False)
    world.reply(digest, "greets", "Bye")
    world.reply(digest, "opens")
    assert world.settle().probes == ()
    world.wait(1)
    world.ask(RequestAnnotation.PROBE)
    assert {probe.digest for probe in world.settle().probes} == {digest}
    world.reply(digest, "greets")
    world.reply(digest, "opens")
    plan = world.settle()
    assert (plan.status.last_probe.passed, plan.status.last_probe.total) == (2, 2)
    assert told(world, ConditionType.STALLED) == ("True", "ProbeFailed")
    assert plan.status.candidate_digest == digest


def test_the_stable_revision_can_be_probed_after_a_rollback() -> None:
    world, stable, digest = changed()
    world.reply(digest, "greets", "Bye")
    world.reply(digest, "opens")
    world.settle()
    world.ask(RequestAnnotation.PROBE)
    plan = world.settle()
    assert {probe.digest for probe in plan.probes} == {stable}


def test_probes_of_a_revision_that_is_gone_are_not_waited_for() -> None:
    world, stable, digest = changed()
    world.reply(digest, "greets", "Bye")
    world.reply(digest, "opens")
    world.settle()
    world.ask(RequestAnnotation.PROBE)
    world.settle()
    world.ask(RequestAnnotation.ROLLBACK_TO, digest)
    plan = world.settle()
    assert plan.status.stable_digest != stable
    assert plan.probes == ()
    message = "the revision is not served any more"
    assert plan.status.last_probe.message == message
    assert plan.status.last_probe.time != ""


def test_probes_asked_for_end_when_the_crew_has_none_any_more() -> None:
    world, stable = probing()
    world.reply(stable, "greets")
    world.reply(stable, "opens")
    world.settle()
    world.wait(1)
    world.ask(RequestAnnotation.PROBE)
    world.settle()
    world.roll_out(probes=[])
    probe = world.settle().status.last_probe
    assert probe.message == "the revision has no probes any more"


@pytest.mark.parametrize("value", ["sha256:" + "0" * 64, "maybe"])
def test_a_request_to_probe_what_is_not_served_is_told_and_taken_away(
    value: str,
) -> None:
    world = World()
    world.roll_out(probes=PROBES)
    world.settle()
    world.events.clear()
    world.ask(RequestAnnotation.PROBE, value)
    world.settle()
    assert world.events == [("Warning", "RequestIgnored")]
    assert world.annotations == {}


def test_a_crew_without_probes_cannot_be_probed() -> None:
    world = World()
    world.become_stable()
    world.ask(RequestAnnotation.PROBE)
    plan = world.settle()
    assert world.events == [("Warning", "RequestIgnored")]
    assert plan.status.last_probe == LastProbe()


def test_a_crew_that_serves_nobody_cannot_be_probed() -> None:
    world = World()
    world.crew["spec"]["paused"] = True
    world.roll_out(probes=PROBES)
    world.settle()
    world.ask(RequestAnnotation.PROBE)
    assert world.react().events[0].message.endswith("no revision is served")
