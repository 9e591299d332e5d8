"""A paused crew stands where it is; what fails is given up all the same."""

from libs.crewspec.annotations import RequestAnnotation
from libs.crewspec.status import ConditionType, Phase
from services.operator.plan import Assignment
from services.operator.tests.observed_of import World, told
from services.operator.tests.test_canary import canary

MOVING, READY = ConditionType.RECONCILING, ConditionType.READY
STUCK = ConditionType.STALLED


def test_a_paused_roll_out_stands_where_it_is() -> None:
    world, stable, candidate = canary()
    world.edit(paused=True)
    world.count(candidate, 1_000)
    world.wait(100_000)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, candidate, 10)
    assert plan.status.phase is Phase.PAUSED
    assert told(world, MOVING) == ("False", "Paused")
    assert told(world, STUCK) == ("False", "Paused")
    assert told(world, READY) == ("False", "Paused")
    assert plan.again_in_seconds is None
    assert world.events[-1] == ("Normal", "Paused")
    world.edit(paused=False)
    assert world.settle().status.stable_digest == candidate
    assert ("Normal", "Resumed") in world.events


def test_the_deadline_counts_anew_after_a_pause() -> None:
    world, _, _ = canary()
    world.edit(paused=True)
    world.settle()
    world.wait(100_000)
    world.edit(paused=False)
    assert world.settle().again_in_seconds == 600


def test_a_paused_crew_begins_nothing_and_promotes_nothing() -> None:
    world = World()
    stable = world.become_stable()
    world.edit(paused=True)
    world.say("Second")
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert told(world, ConditionType.PROGRAMMED) == ("False", "Paused")
    assert told(world, READY) == ("False", "Paused")
    assert len(world.revisions) == 2
    world.edit(paused=False)
    world.settle()
    world.edit(paused=True)
    world.ack_all()
    plan = world.settle()
    assert plan.status.rollout.programmed_at == ""
    assert told(world, ConditionType.PROGRAMMED) == ("True", "Distributed")


def test_a_new_crew_that_is_paused_serves_nobody() -> None:
    world = World()
    world.crew["spec"]["paused"] = True
    plan = world.settle()
    assert plan.assignment is None
    assert plan.status.phase is Phase.PAUSED


def test_a_paused_crew_that_is_up_to_date_is_ready() -> None:
    world = World()
    world.become_stable()
    world.edit(paused=True)
    plan = world.settle()
    assert plan.status.phase is Phase.PAUSED
    assert told(world, READY) == ("True", "Serving")
    assert told(world, MOVING) == ("False", "Paused")


def test_an_edited_spec_leaves_the_candidate_of_a_paused_crew() -> None:
    world, stable, candidate = canary()
    world.edit(paused=True)
    world.say("Third")
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, candidate, 10)
    assert plan.status.summary == "0/3"
    world.edit(paused=False)
    plan = world.settle()
    assert plan.assignment == Assignment(
        "coaching", stable, plan.status.newest_digest, 0
    )
    assert plan.status.failed_digests == ()


def test_a_worse_candidate_is_given_up_during_a_pause() -> None:
    world, stable, candidate = canary()
    world.edit(paused=True)
    world.count(candidate, 20, 20)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert plan.status.failed_digests == (candidate,)
    assert told(world, ConditionType.ROLLED_BACK) == ("True", "WorseThanStable")


def test_a_candidate_that_is_not_the_newest_is_given_up_with_an_event() -> None:
    world, stable, candidate = canary()
    world.edit(paused=True)
    world.say("Third")
    world.count(candidate, 20, 20)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert plan.status.failed_digests == (candidate,)
    assert told(world, ConditionType.ROLLED_BACK) == ("False", "UpToDate")
    assert ("Warning", "WorseThanStable") in world.events


def test_a_reverted_spec_drops_the_candidate_of_a_paused_crew() -> None:
    world, stable, _ = canary()
    world.edit(paused=True)
    world.say("A reply")
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, "", 0)


def test_an_approval_during_a_pause_counts_when_it_is_over() -> None:
    world, _, _ = canary()
    world.edit(paused=True)
    world.ask(RequestAnnotation.APPROVE)
    plan = world.settle()
    assert (plan.status.canary_weight, plan.status.rollout.approved_step) == (10, 0)
    assert world.annotations == {}
    world.edit(paused=False)
    assert world.settle().status.canary_weight == 50


def test_a_candidate_can_be_given_up_during_a_pause() -> None:
    world, stable, _ = canary()
    world.edit(paused=True)
    world.ask(RequestAnnotation.ABORT)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert told(world, STUCK) == ("True", "Aborted")


def test_a_stalled_roll_out_stays_stalled_through_a_pause() -> None:
    world, _, candidate = canary(autoRollback=False)
    world.count(candidate, 20, 20)
    world.settle()
    world.edit(paused=True)
    world.settle()
    assert told(world, STUCK) == ("True", "WorseThanStable")
    world.edit(paused=False)
    world.settle()
    assert told(world, STUCK) == ("True", "WorseThanStable")


def test_no_probe_is_started_during_a_pause() -> None:
    world = World()
    world.roll_out(probes=[{"name": "greets"}])
    world.settle()
    world.ack_all()
    assert len(world.settle().probes) == 1
    world.edit(paused=True)
    assert world.settle().probes == ()
