"""From the first write to the revision that serves everybody."""

from libs.crewspec.status import ConditionType, Phase
from services.operator.plan import Assignment
from services.operator.reconcile import pending_status
from services.operator.tests.observed_of import START, World, condition, told

READY = ConditionType.READY


def test_the_first_write_says_that_nothing_is_known_yet() -> None:
    status = pending_status(3, START)
    (ready,) = status.conditions
    assert (ready.type, ready.status, ready.reason) == ("Ready", "Unknown", "Pending")
    assert (status.observed_generation, ready.observed_generation) == (3, 3)
    assert ready.last_transition_time == "2026-05-01T08:00:00Z"
    assert status.phase is Phase.PENDING


def test_a_new_crew_is_distributed_before_anybody_is_served_by_it() -> None:
    world = World()
    plan = world.react()
    (created,) = plan.create
    assert created.name == f"coaching-{created.spec.digest[7:17]}"
    assert [source.name for source in created.spec.sources] == ["coaching", "coach"]
    assert plan.assignment == Assignment(
        crew="coaching",
        stable_digest="",
        candidate_digest=created.spec.digest,
        candidate_weight=0,
    )
    assert told(world, READY) == ("False", "Distributing")
    assert told(world, ConditionType.RECONCILING) == ("True", "Distributing")
    assert plan.status.phase is Phase.DISTRIBUTING
    assert plan.status.summary == "0/3"


def test_a_new_crew_is_ready_when_all_orchestrators_have_it() -> None:
    world = World()
    world.status = pending_status(1, world.now)
    world.react()
    world.wait(0.3)
    world.ack_all()
    plan = world.settle()
    digest = plan.status.newest_digest
    assert plan.assignment == Assignment("coaching", digest, "", 0)
    assert plan.status.stable_revision == f"coaching-{digest[7:17]}"
    assert plan.status.summary == "3/3"
    assert plan.status.phase is Phase.READY
    assert {told.type for told in plan.status.conditions} == set(ConditionType)
    assert told(world, READY) == ("True", "Serving")
    assert told(world, ConditionType.RECONCILING) == ("False", "UpToDate")
    assert told(world, ConditionType.STALLED) == ("False", "UpToDate")
    assert world.writes == 2
    assert world.events == [("Normal", "RolloutStarted"), ("Normal", "Serving")]
    assert plan.again_in_seconds is None


def test_every_condition_speaks_of_the_generation_that_was_seen() -> None:
    world = World()
    world.become_stable()
    world.edit(revisionHistoryLimit=3)
    world.settle()
    assert world.status is not None
    assert world.status.observed_generation == 2
    assert {found.observed_generation for found in world.status.conditions} == {2}
    assert world.writes == 1


def test_a_date_changes_only_with_a_status() -> None:
    world = World()
    world.become_stable()
    world.wait(60)
    world.ack_all(count=2)
    world.settle()
    assert told(world, READY) == ("False", "Distributing")
    assert condition(world, READY).last_transition_time == "2026-05-01T08:01:00Z"
    accepted = condition(world, ConditionType.ACCEPTED)
    assert accepted.last_transition_time == "2026-05-01T08:00:00Z"
