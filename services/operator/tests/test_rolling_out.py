"""A candidate is distributed before anything else, and not for ever."""

import pytest

from libs.crewspec.status import ConditionType, Phase
from services.operator.observed import FleetView
from services.operator.plan import Assignment
from services.operator.tests.observed_of import World, condition, told

READY, PROGRAMMED = ConditionType.READY, ConditionType.PROGRAMMED
MOVING, STUCK = ConditionType.RECONCILING, ConditionType.STALLED


def test_a_changed_crew_is_distributed_beside_its_stable_revision() -> None:
    world = World()
    stable = world.become_stable()
    world.say("Second")
    plan = world.settle()
    newest = plan.status.newest_digest
    assert plan.assignment == Assignment("coaching", stable, newest, 0)
    assert told(world, PROGRAMMED) == ("False", "Distributing")
    assert told(world, READY) == ("False", "Distributing")
    world.ack_all()
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", newest, "", 0)
    assert told(world, READY) == ("True", "Serving")
    assert world.writes == 2
    assert world.events == [("Normal", "RolloutStarted"), ("Normal", "Serving")]


@pytest.mark.parametrize(
    ("desired", "percent", "enough"),
    [(3, 100, 3), (3, 67, 3), (3, 66, 2), (3, 50, 2), (3, 33, 1), (1, 1, 1)],
)
def test_enough_orchestrators_are_a_share_of_all_rounded_up(
    desired: int, percent: int, enough: int
) -> None:
    world = World(fleet=FleetView(desired=desired))
    world.roll_out(minAckPercent=percent)
    world.settle()
    world.ack_all(count=enough - 1)
    assert world.settle().status.stable_digest == ""
    world.ack_all(count=enough)
    assert world.settle().status.stable_digest != ""


@pytest.mark.parametrize("desired", [None, 0])
def test_without_orchestrators_a_roll_out_waits_without_a_deadline(
    desired: int | None,
) -> None:
    world = World(fleet=FleetView(desired=desired))
    plan = world.settle()
    assert told(world, PROGRAMMED) == ("Unknown", "NoOrchestrators")
    assert told(world, MOVING) == ("True", "NoOrchestrators")
    assert plan.status.summary == ("0/?" if desired is None else "0/0")
    assert plan.again_in_seconds is None
    world.wait(100_000)
    assert world.settle().status.failed_digests == ()
    world.fleet = FleetView(desired=3)
    plan = world.settle()
    assert told(world, PROGRAMMED) == ("False", "Distributing")
    assert plan.again_in_seconds == 600
    world.ack_all()
    world.settle()
    assert told(world, READY) == ("True", "Serving")


def test_ready_keeps_its_word_while_the_fleet_is_not_known() -> None:
    world = World()
    world.become_stable()
    world.fleet = FleetView()
    plan = world.settle()
    assert told(world, PROGRAMMED) == ("Unknown", "NoOrchestrators")
    assert told(world, READY) == ("True", "Serving")
    assert (plan.status.summary, plan.status.phase) == ("0/?", Phase.READY)


def test_ready_is_not_known_when_there_are_no_orchestrators() -> None:
    world = World()
    world.become_stable()
    world.fleet = FleetView(desired=0)
    world.settle()
    assert told(world, READY) == ("Unknown", "NoOrchestrators")


def test_a_changed_crew_does_not_keep_the_word_of_what_it_was() -> None:
    world = World()
    world.become_stable()
    world.say("Second")
    world.fleet = FleetView()
    world.settle()
    assert told(world, READY) == ("False", "NoOrchestrators")


def test_a_crew_is_not_ready_while_too_few_orchestrators_have_it() -> None:
    world = World()
    world.become_stable()
    world.ack_all(count=2)
    plan = world.settle()
    assert told(world, READY) == ("False", "Distributing")
    assert told(world, MOVING) == ("True", "Distributing")
    assert (plan.status.phase, plan.status.summary) == (Phase.DISTRIBUTING, "2/3")
    assert plan.again_in_seconds is None


def test_connected_orchestrators_that_are_not_ready_are_not_counted_twice() -> None:
    world = World()
    world.become_stable()
    world.ack_all(count=5)
    assert world.settle().status.summary == "3/3"


def test_answers_that_come_one_after_another_cost_no_writes() -> None:
    world = World()
    world.status = world.plan().status
    for count in (1, 2):
        world.wait(0.1)
        world.ack_all(count=count)
        plan = world.react()
        assert plan.again_in_seconds == pytest.approx(2 - count * 0.1)
    assert world.writes == 0
    world.wait(1.8)
    plan = world.react()
    assert (world.writes, plan.status.summary) == (1, "2/3")
    world.wait(0.1)
    world.ack_all(count=1)
    assert world.react().status.summary == "1/3"


def test_a_roll_out_without_progress_is_given_up_at_the_deadline() -> None:
    world = World()
    stable = world.become_stable()
    world.roll_out(progressDeadlineSeconds=60)
    world.say("Second")
    plan = world.settle()
    digest = plan.status.newest_digest
    assert plan.again_in_seconds == 60
    world.wait(59.9)
    world.ack(stable)
    assert world.settle().again_in_seconds == pytest.approx(0.1)
    world.wait(0.1)
    plan = world.settle()
    assert plan.status.failed_digests == (digest,)
    rolled_back = condition(world, ConditionType.ROLLED_BACK)
    assert told(world, ConditionType.ROLLED_BACK) == (
        "True",
        "ProgressDeadlineExceeded",
    )
    assert rolled_back.message == (
        "no progress for 60 seconds: waits until 100 % of the orchestrators have it"
    )
    assert plan.assignment == Assignment("coaching", stable, "", 0)


def test_what_arrives_at_the_deadline_is_in_time() -> None:
    world = World()
    plan = world.settle()
    world.wait(600)
    world.ack(plan.status.newest_digest)
    world.settle()
    assert told(world, READY) == ("True", "Serving")


def test_a_refused_candidate_is_given_up() -> None:
    world = World()
    stable = world.become_stable()
    world.say("Second")
    digest = world.settle().status.newest_digest
    world.refuse(digest, "no such package")
    plan = world.settle()
    assert (plan.again_in_seconds, plan.status.orchestrators.failed) == (2, 1)
    world.wait(2)
    plan = world.settle()
    assert told(world, ConditionType.ROLLED_BACK) == ("True", "Refused")
    assert "no such package" in condition(world, ConditionType.ROLLED_BACK).message
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert ("Warning", "Refused") in world.events


def test_a_refusal_outweighs_enough_orchestrators_that_have_it() -> None:
    world = World()
    world.become_stable()
    world.roll_out(minAckPercent=50)
    world.say("Second")
    digest = world.settle().status.newest_digest
    world.ack_all(count=2)
    world.refuse(digest)
    world.wait(1)
    assert world.settle().status.stable_digest != digest
    world.wait(1)
    assert world.settle().status.failed_digests == (digest,)


def test_a_refusal_that_something_else_heals_is_none() -> None:
    world = World()
    digest = world.settle().status.newest_digest
    world.refuse(digest, "no Tool 'lookup'")
    world.wait(1)
    world.settle()
    world.fleet = FleetView(desired=3)
    world.ack_all()
    assert world.settle().status.stable_digest == digest


def test_a_stable_revision_that_is_refused_is_told_and_served_on() -> None:
    world = World()
    stable = world.become_stable()
    world.refuse(stable)
    world.ack_all(count=2)
    plan = world.settle()
    assert told(world, PROGRAMMED) == ("False", "Refused")
    assert told(world, READY) == ("False", "Refused")
    assert plan.status.orchestrators.failed == 1
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert world.events == [("Warning", "Refused")]
    world.fleet = FleetView(desired=3, refused={stable: {"a": "x", "b": "y"}})
    world.settle()
    assert condition(world, PROGRAMMED).message == "2 orchestrators refuse it: x"


def test_a_spec_that_changes_again_starts_from_the_beginning() -> None:
    world = World()
    stable = world.become_stable()
    world.say("Second")
    second = world.settle().status.newest_digest
    world.wait(10)
    world.ack(stable, second)
    world.say("Third")
    plan = world.settle()
    third = plan.status.newest_digest
    assert plan.assignment == Assignment("coaching", stable, third, 0)
    assert plan.status.rollout.started_at == "2026-05-01T08:00:10.000000Z"
    assert plan.status.failed_digests == ()


def test_a_spec_that_is_reverted_drops_the_candidate_without_a_failure() -> None:
    world = World()
    stable = world.become_stable()
    world.say("Second")
    world.settle()
    world.say("A reply")
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert plan.status.failed_digests == ()
    assert plan.status.phase is Phase.READY
    assert told(world, ConditionType.ROLLED_BACK) == ("False", "UpToDate")


def test_a_candidate_whose_state_was_lost_begins_anew() -> None:
    world = World()
    plan = world.settle()
    assert world.status is not None
    lost = plan.status.rollout.model_copy(update={"digest": ""})
    world.status = world.status.model_copy(update={"rollout": lost})
    world.wait(5)
    plan = world.settle()
    assert plan.status.rollout.started_at == "2026-05-01T08:00:05.000000Z"


def test_a_moment_that_is_none_stops_nothing() -> None:
    world = World()
    plan = world.settle()
    assert world.status is not None
    odd = plan.status.rollout.model_copy(update={"progressed_at": "yesterday"})
    world.status = world.status.model_copy(update={"rollout": odd})
    world.ack_all()
    world.settle()
    assert told(world, READY) == ("True", "Serving")
