"""A growing share of sessions, for as long as the candidate is no worse."""

from dataclasses import replace

import pytest

from libs.crewspec.annotations import RequestAnnotation
from libs.crewspec.status import ConditionType, Phase
from services.operator.observed import FleetView
from services.operator.plan import Assignment
from services.operator.tests.observed_of import World, condition, told

STEPS = [{"weight": 10, "pauseSeconds": 30}, {"weight": 50}, {"weight": 100}]
MOVING, BACK = ConditionType.RECONCILING, ConditionType.ROLLED_BACK


def canary(**rollout: object) -> tuple[World, str, str]:
    """Return a world in the first step, its stable digest and its candidate."""
    world = World()
    world.roll_out(**({"steps": STEPS} | rollout))
    stable = world.become_stable()
    world.wait(60)
    world.say("Second")
    candidate = world.settle().status.newest_digest
    world.ack_all()
    world.settle()
    return world, stable, candidate


def test_the_first_roll_out_skips_the_steps() -> None:
    world = World()
    world.roll_out(steps=STEPS)
    stable = world.become_stable()
    assert world.plan().assignment == Assignment("coaching", stable, "", 0)


def test_a_step_gives_the_candidate_its_share() -> None:
    world, stable, candidate = canary()
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, candidate, 10)
    assert plan.status.canary_weight == 10
    assert plan.status.phase is Phase.CANARY
    assert told(world, MOVING) == ("True", "Canary")
    assert told(world, ConditionType.READY) == ("False", "Canary")
    assert plan.again_in_seconds == 30
    assert world.events == [("Normal", "RolloutStarted"), ("Normal", "Canary")]


def test_a_step_lasts_as_long_as_its_pause() -> None:
    world, _, candidate = canary()
    world.count(candidate, 20)
    world.wait(29.5)
    plan = world.settle()
    assert plan.again_in_seconds == 0.5
    assert plan.status.canary_weight == 10
    world.wait(0.5)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", candidate, "", 0)
    assert plan.status.canary_weight == 0


def test_a_step_lasts_until_there_were_enough_turns() -> None:
    world, stable, candidate = canary()
    world.count(candidate, 19)
    world.wait(30)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, candidate, 10)
    assert condition(world, MOVING).message == (
        "10 % of the sessions get it, step 1 of 3; goes on after 20 turns in all"
    )
    assert plan.again_in_seconds == 600
    world.count(candidate, 20)
    assert world.settle().status.stable_digest == candidate


def test_the_pause_is_enough_where_turns_are_not_waited_for() -> None:
    world, stable, candidate = canary(analysis={"waitForTurns": False})
    world.count(candidate, 19)
    world.wait(29)
    assert world.settle().assignment == Assignment("coaching", stable, candidate, 10)
    world.wait(1)
    assert world.settle().assignment == Assignment("coaching", candidate, "", 0)


def test_steps_follow_one_another() -> None:
    steps = [{"weight": weight, "pauseSeconds": 10} for weight in (5, 25, 100)]
    world, stable, candidate = canary(steps=steps)
    world.count(candidate, 50)
    weights = []
    for _ in steps:
        weights.append(world.settle().status.canary_weight)
        assert world.plan().status.rollout.step == len(weights) - 1
        world.wait(10)
    plan = world.settle()
    assert weights == [5, 25, 100]
    assert plan.assignment == Assignment("coaching", candidate, "", 0)
    assert plan.status.stable_digest != stable
    assert plan.status.phase is Phase.READY


def test_too_few_turns_after_the_pause_end_it_at_the_deadline() -> None:
    world, stable, candidate = canary()
    world.wait(629)
    assert world.settle().again_in_seconds == 1
    world.wait(1)
    plan = world.settle()
    assert told(world, BACK) == ("True", "ProgressDeadlineExceeded")
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert plan.status.failed_digests == (candidate,)


@pytest.mark.parametrize(("errors", "place"), [(2, 4), (0, 8)])
def test_a_worse_candidate_is_given_up_within_a_step(errors: int, place: int) -> None:
    world, stable, candidate = canary()
    world.count(stable, 200)
    world.count(candidate, 20, errors, place)
    world.wait(1)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert told(world, BACK) == ("True", "WorseThanStable")
    assert told(world, ConditionType.READY) == ("False", "RolledBack")
    assert told(world, ConditionType.STALLED) == ("True", "WorseThanStable")
    assert plan.status.phase is Phase.ROLLED_BACK
    assert plan.status.summary == "0/3"
    assert plan.status.orchestrators.ready == 3
    assert world.events[-1] == ("Warning", "WorseThanStable")


def test_a_step_that_needs_approval_waits_for_it_for_ever() -> None:
    steps = [{"weight": 50, "pauseSeconds": 5, "requireApproval": True}, STEPS[2]]
    world, stable, candidate = canary(steps=steps)
    world.count(candidate, 100)
    assert told(world, MOVING) == ("True", "Canary")
    world.wait(5)
    plan = world.settle()
    assert told(world, MOVING) == ("True", "AwaitingApproval")
    assert told(world, ConditionType.STALLED) == ("False", "AwaitingApproval")
    assert plan.again_in_seconds is None
    assert world.events[-1] == ("Normal", "AwaitingApproval")
    world.wait(1_000_000)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, candidate, 50)
    world.ask(RequestAnnotation.APPROVE)
    assert world.settle().status.stable_digest == candidate


def test_an_approval_ends_a_step_whatever_it_waits_for() -> None:
    world, _, candidate = canary()
    world.ask(RequestAnnotation.APPROVE, candidate)
    plan = world.settle()
    assert plan.status.canary_weight == 50
    assert plan.status.rollout.approved_step == -1


def test_an_approval_is_recorded_before_anything_follows_from_it() -> None:
    world, _, _ = canary()
    world.ask(RequestAnnotation.APPROVE)
    plan = world.react()
    assert plan.status.rollout.approved_step == 0
    assert plan.status.canary_weight == 10
    recorded = plan.status
    # The annotation could not be taken away: the process died before.
    world.ask(RequestAnnotation.APPROVE)
    world.wait(1)
    assert world.react().status == recorded
    assert world.react().status.canary_weight == 50


def test_a_worse_candidate_is_given_up_though_somebody_approves() -> None:
    world, _, candidate = canary()
    world.count(candidate, 20, 20)
    world.ask(RequestAnnotation.APPROVE)
    assert world.settle().status.failed_digests == (candidate,)


def test_steps_that_change_half_way_are_followed() -> None:
    world, _, candidate = canary()
    world.roll_out(steps=[{"weight": 20, "pauseSeconds": 30}, {"weight": 100}])
    assert world.settle().status.canary_weight == 20
    world.count(candidate, 20)
    world.roll_out(steps=[{"weight": 5, "pauseSeconds": 90}, STEPS[1], STEPS[2]])
    world.wait(30)
    plan = world.settle()
    assert (plan.status.canary_weight, plan.again_in_seconds) == (5, 60)
    world.roll_out(steps=[])
    assert world.settle().status.stable_digest == candidate


def test_a_step_that_is_no_more_is_the_last_one() -> None:
    steps = [{"weight": 50}, {"weight": 100, "requireApproval": True}]
    world, _, candidate = canary(steps=steps)
    world.count(candidate, 20)
    assert world.settle().status.rollout.step == 1
    world.roll_out(steps=[{"weight": 100, "requireApproval": True}])
    plan = world.settle()
    assert (plan.status.rollout.step, plan.status.canary_weight) == (0, 100)


def test_nothing_goes_on_while_too_few_orchestrators_have_the_candidate() -> None:
    world, stable, candidate = canary()
    world.count(candidate, 20)
    world.ack(stable, candidate, count=2)
    world.wait(30)
    plan = world.settle()
    assert told(world, ConditionType.PROGRAMMED) == ("False", "Distributing")
    assert plan.assignment == Assignment("coaching", stable, candidate, 10)
    world.ack(stable, candidate)
    assert world.settle().status.stable_digest == candidate


def test_a_canary_goes_on_from_its_status_under_another_leader() -> None:
    world, stable, candidate = canary()
    known = world.fleet
    world.wait(10)
    world.fleet = FleetView()
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, candidate, 10)
    assert plan.status.summary == "0/?"
    world.wait(10)
    world.fleet = replace(known, stats={})
    world.count(candidate, 20)
    assert world.settle().again_in_seconds == 10
    world.wait(10)
    assert world.settle().status.stable_digest == candidate


def test_the_deadline_counts_anew_when_orchestrators_are_back() -> None:
    world, _, candidate = canary()
    known = world.fleet
    world.fleet = FleetView()
    world.settle()
    world.wait(10_000)
    world.settle()
    world.fleet = known
    plan = world.settle()
    assert plan.status.candidate_digest == candidate
    assert plan.again_in_seconds == 600
