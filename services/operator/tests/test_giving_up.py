"""What failed is remembered; what people ask for is done."""

import pytest

from libs.crewspec.annotations import RequestAnnotation
from libs.crewspec.status import ConditionType, Phase
from services.operator.observed import FleetView
from services.operator.plan import Assignment
from services.operator.tests.observed_of import World, condition, told

BACK, STUCK = ConditionType.ROLLED_BACK, ConditionType.STALLED
MOVING, READY = ConditionType.RECONCILING, ConditionType.READY
APPROVE, ABORT = RequestAnnotation.APPROVE, RequestAnnotation.ABORT
ROLLBACK_TO = RequestAnnotation.ROLLBACK_TO


def refused(**rollout: object) -> tuple[World, str, str]:
    """Return a world whose second revision was refused, and both digests."""
    world = World()
    world.roll_out(**rollout)
    stable = world.become_stable()
    world.say("Second")
    failed = world.settle().status.newest_digest
    world.refuse(failed)
    world.wait(2)
    world.settle()
    world.fleet = FleetView(desired=3)
    world.ack(stable)
    world.settle()
    return world, stable, failed


def serve_newest(world: World) -> str:
    world.settle()
    world.ack_all()
    plan = world.settle()
    assert plan.status.stable_digest == plan.status.newest_digest
    return plan.status.stable_digest


def test_a_failed_digest_is_not_tried_again() -> None:
    world, stable, failed = refused()
    writes = world.writes
    world.wait(100_000)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert plan.status.failed_digests == (failed,)
    assert (world.writes, plan.again_in_seconds) == (writes, None)
    assert told(world, BACK) == ("True", "Refused")
    assert told(world, MOVING) == ("False", "Refused")
    assert told(world, ConditionType.PROGRAMMED) == ("False", "RolledBack")


def test_another_spec_is_rolled_out_and_the_failed_one_remembered() -> None:
    world, stable, failed = refused()
    world.say("Third")
    third = serve_newest(world)
    assert told(world, BACK) == ("False", "UpToDate")
    assert told(world, READY) == ("True", "Serving")
    world.say("Second")
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", third, "", 0)
    assert plan.status.failed_digests == (failed,)
    assert told(world, BACK) == ("True", "RolledBack")
    assert "given up before" in condition(world, BACK).message
    assert third != stable


def test_the_reason_is_kept_for_as_long_as_the_spec_says_the_same() -> None:
    world, _, _ = refused()
    world.edit(revisionHistoryLimit=3)
    world.settle()
    assert told(world, BACK) == ("True", "Refused")
    assert "no such package" in condition(world, READY).message


def test_only_so_many_failed_digests_are_remembered() -> None:
    world = World()
    world.become_stable()
    digests = []
    for index in range(22):
        world.say(f"Reply {index}")
        digests.append(world.settle().status.newest_digest)
        world.ask(ABORT)
        world.settle()
    assert world.status is not None
    assert list(world.status.failed_digests) == digests[2:]


def test_approving_a_failed_digest_by_name_tries_it_again() -> None:
    world, stable, failed = refused()
    world.wait(10)
    world.ask(APPROVE, failed)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, failed, 0)
    assert plan.status.failed_digests == ()
    assert told(world, BACK) == ("False", "UpToDate")
    assert serve_newest(world) == failed


def test_approving_a_failed_digest_by_its_revisions_name_tries_it_again() -> None:
    world, _, failed = refused()
    world.ask(APPROVE, f"coaching-{failed[7:17]}")
    assert world.settle().status.candidate_digest == failed


@pytest.mark.parametrize("value", ["true", "sha256:" + "0" * 64])
def test_nothing_else_approves_a_failed_digest(value: str) -> None:
    world, _, failed = refused()
    world.events.clear()
    world.ask(APPROVE, value)
    plan = world.settle()
    assert plan.status.failed_digests == (failed,)
    assert world.events == [("Warning", "RequestIgnored")]
    assert world.annotations == {}


def test_without_automatic_rollback_a_failure_waits_for_a_person() -> None:
    world, stable, failed = refused(autoRollback=False)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, failed, 0)
    assert plan.status.failed_digests == ()
    assert told(world, STUCK) == ("True", "Refused")
    assert told(world, MOVING) == ("False", "Refused")
    assert told(world, READY) == ("False", "Refused")
    assert told(world, BACK) == ("False", "UpToDate")
    assert plan.again_in_seconds is None
    assert world.events[-1] == ("Warning", "Refused")
    world.ack(stable, failed)
    world.wait(100_000)
    assert world.settle().status.candidate_digest == failed


def test_a_stalled_distribution_that_is_approved_is_tried_once_more() -> None:
    world, stable, failed = refused(autoRollback=False)
    world.ask(APPROVE)
    plan = world.settle()
    assert told(world, STUCK) == ("False", "Distributing")
    assert plan.again_in_seconds == 600
    world.ack(stable, failed)
    assert world.settle().status.stable_digest == failed


def test_a_stalled_roll_out_can_be_given_up() -> None:
    world, stable, failed = refused(autoRollback=False)
    world.ask(ABORT)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert plan.status.failed_digests == (failed,)
    assert told(world, BACK) == ("True", "Aborted")


def test_a_stalled_roll_out_is_given_up_once_that_may_happen_by_itself() -> None:
    world, _, failed = refused(autoRollback=False)
    world.roll_out(autoRollback=True)
    assert world.settle().status.failed_digests == (failed,)
    assert told(world, BACK) == ("True", "Refused")


def test_another_spec_ends_a_stall() -> None:
    world, stable, _ = refused(autoRollback=False)
    world.say("Third")
    plan = world.settle()
    assert told(world, STUCK) == ("False", "Distributing")
    assert plan.assignment is not None
    assert plan.assignment.stable_digest == stable


def test_failed_probes_can_be_approved() -> None:
    world = World()
    world.roll_out(autoRollback=False, probes=[{"name": "greets"}])
    digest = world.settle().status.newest_digest
    world.ack_all()
    world.settle()
    world.reply(digest, "greets", "")
    plan = world.settle()
    assert told(world, STUCK) == ("True", "ProbeFailed")
    assert plan.status.phase is Phase.PROBING
    assert plan.probes == ()
    world.ask(APPROVE)
    world.react()
    # The annotation could not be taken away the first time.
    world.ask(APPROVE)
    world.react()
    assert world.settle().status.stable_digest == digest


def test_each_approval_takes_a_worse_candidate_one_step_further() -> None:
    world = World()
    steps = [{"weight": 10}, {"weight": 100}]
    world.roll_out(autoRollback=False, steps=steps)
    stable = world.become_stable()
    world.say("Second")
    worse = world.settle().status.newest_digest
    world.ack_all()
    world.settle()
    world.count(worse, 20, 20)
    plan = world.settle()
    assert told(world, STUCK) == ("True", "WorseThanStable")
    assert plan.assignment == Assignment("coaching", stable, worse, 10)
    world.ask(APPROVE)
    plan = world.settle()
    assert told(world, STUCK) == ("True", "WorseThanStable")
    assert plan.assignment == Assignment("coaching", stable, worse, 100)
    world.ask(APPROVE)
    assert world.settle().status.stable_digest == worse


def test_a_candidate_can_be_given_up() -> None:
    world = World()
    stable = world.become_stable()
    world.say("Second")
    digest = world.settle().status.newest_digest
    world.ask(ABORT, digest)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert told(world, BACK) == ("True", "Aborted")
    assert plan.status.failed_digests == (digest,)
    assert world.annotations == {}
    assert world.events[-1] == ("Warning", "Aborted")


@pytest.mark.parametrize("request_", [ABORT, APPROVE])
@pytest.mark.parametrize("value", ["true", "no"])
def test_a_request_without_a_roll_out_is_told_and_taken_away(
    request_: RequestAnnotation, value: str
) -> None:
    world = World()
    world.become_stable()
    world.ask(request_, value)
    world.settle()
    assert world.events == [("Warning", "RequestIgnored")]
    assert (world.annotations, world.writes) == ({}, 0)


@pytest.mark.parametrize("request_", [ABORT, APPROVE])
def test_a_request_for_another_digest_is_told_and_taken_away(
    request_: RequestAnnotation,
) -> None:
    world = World()
    stable = world.become_stable()
    world.say("Second")
    world.settle()
    world.events.clear()
    world.ask(request_, stable)
    plan = world.settle()
    assert plan.status.candidate_digest != ""
    assert world.events == [("Warning", "RequestIgnored")]


def test_there_is_nothing_to_approve_before_the_first_step() -> None:
    world = World()
    world.settle()
    world.events.clear()
    world.ask(APPROVE)
    world.settle()
    assert world.events == [("Warning", "RequestIgnored")]


def test_a_kept_revision_can_be_made_the_stable_one_again() -> None:
    world = World()
    first = world.become_stable()
    world.say("Second")
    second = serve_newest(world)
    world.events.clear()
    world.ask(ROLLBACK_TO, f"coaching-{first[7:17]}")
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", first, "", 0)
    assert plan.status.stable_revision == f"coaching-{first[7:17]}"
    assert plan.status.failed_digests == (second,)
    assert told(world, BACK) == ("True", "RolledBackOnRequest")
    assert told(world, READY) == ("False", "RolledBack")
    assert plan.status.phase is Phase.ROLLED_BACK
    assert world.annotations == {}
    expected = [("Warning", "RolledBackOnRequest"), ("Normal", "Serving")]
    assert world.events == expected
    world.say("Third")
    assert serve_newest(world) not in {first, second}
    assert told(world, BACK) == ("False", "UpToDate")


def test_asking_twice_for_the_same_revision_asks_once() -> None:
    world = World()
    first = world.become_stable()
    world.say("Second")
    serve_newest(world)
    world.ask(ROLLBACK_TO, first)
    world.settle()
    status = world.status
    world.wait(5)
    world.events.clear()
    world.ask(ROLLBACK_TO, first)
    world.settle()
    assert (world.status, world.events) == (status, [])


def test_going_back_to_the_stable_revision_gives_the_candidate_up() -> None:
    world = World()
    stable = world.become_stable()
    world.say("Second")
    digest = world.settle().status.newest_digest
    world.ask(ROLLBACK_TO, stable)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert plan.status.failed_digests == (digest,)


def test_a_person_may_make_what_failed_the_stable_revision() -> None:
    world, _, failed = refused()
    world.ask(ROLLBACK_TO, failed)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", failed, "", 0)
    assert plan.status.failed_digests == ()
    assert told(world, BACK) == ("False", "UpToDate")


def test_a_stable_revision_can_be_chosen_while_the_spec_is_wrong() -> None:
    world = World()
    first = world.become_stable()
    world.say("Second")
    serve_newest(world)
    world.edit(tasks=[])
    world.ask(ROLLBACK_TO, first)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", first, "", 0)
    assert plan.status.failed_digests == ()


def test_going_back_to_what_is_not_kept_changes_nothing() -> None:
    world = World()
    stable = world.become_stable()
    world.ask(ROLLBACK_TO, "sha256:" + "0" * 64)
    plan = world.settle()
    assert plan.assignment == Assignment("coaching", stable, "", 0)
    assert world.events == [("Warning", "RequestIgnored")]
    assert (world.annotations, world.writes) == ({}, 0)
