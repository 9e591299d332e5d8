"""Revisions are named by their content, found again, and deleted when old."""

from dataclasses import replace

from services.operator.observed import RevisionObject
from services.operator.tests.observed_of import World


def rolled_out(world: World) -> str:
    plan = world.settle()
    world.ack_all()
    world.wait(1)
    plan = world.settle()
    assert plan.status.stable_digest == plan.status.newest_digest
    return plan.status.stable_digest


def test_an_edit_makes_one_revision_and_a_reverted_one_none() -> None:
    world = World()
    first = rolled_out(world)
    world.say("A better reply")
    second = rolled_out(world)
    assert first != second
    world.say("A reply")
    assert rolled_out(world) == first
    assert sorted(kept.digest for kept in world.revisions) == sorted([first, second])


def test_what_only_says_how_to_roll_out_makes_no_revision() -> None:
    world = World()
    first = rolled_out(world)
    world.roll_out(autoRollback=False)
    world.edit(paused=True, revisionHistoryLimit=2)
    plan = world.settle()
    assert plan.status.newest_digest == first
    assert len(world.revisions) == 1


def test_an_agents_change_makes_a_revision_of_the_crew() -> None:
    world = World()
    first = rolled_out(world)
    world.documents[0]["spec"]["goal"] = "Help more"
    assert rolled_out(world) != first
    assert len(world.revisions) == 2


def test_a_name_that_other_content_has_gets_a_number() -> None:
    world = World()
    (created,) = world.plan().create
    other = RevisionObject(created.name, "sha256:" + "0" * 64, "{}", world.now)
    world.revisions = [other, replace(other, name=f"{created.name}-1")]
    plan = world.react()
    assert plan.create[0].name == f"{created.name}-2"
    assert plan.status.collision_count == 2
    assert plan.status.candidate_revision == f"{created.name}-2"
    plan = world.react()
    assert (plan.create, plan.status.collision_count) == ((), 2)


def test_a_digest_without_its_content_is_not_taken_for_the_revision() -> None:
    world = World()
    (created,) = world.plan().create
    forged = RevisionObject(created.name, created.spec.digest, "{}", world.now)
    world.revisions = [forged]
    (again,) = world.react().create
    assert (again.name, again.spec) == (f"{created.name}-1", created.spec)


def test_the_name_of_a_long_crew_fits_a_label() -> None:
    world = World()
    world.crew["metadata"]["name"] = "c" * 52
    (created,) = world.plan().create
    assert len(created.name) == 63
    world.revisions = [RevisionObject(created.name, "", "", world.now)]
    (again,) = world.plan().create
    assert len(again.name) == 63
    assert again.name.endswith("-1")


def test_the_oldest_revisions_beyond_the_limit_are_deleted() -> None:
    world = World()
    world.edit(revisionHistoryLimit=2)
    digests = []
    for index in range(5):
        world.say(f"Reply {index}")
        digests.append(rolled_out(world))
        world.wait(1)
    assert [kept.digest for kept in world.revisions] == digests[2:]


def test_neither_stable_nor_candidate_nor_newest_is_deleted() -> None:
    world = World()
    world.edit(revisionHistoryLimit=0)
    stable = rolled_out(world)
    world.say("Second")
    candidate = world.settle().status.candidate_digest
    world.edit(paused=True)
    world.say("Third")
    newest = world.settle().status.newest_digest
    assert {kept.digest for kept in world.revisions} == {stable, candidate, newest}
    world.edit(paused=False)
    world.settle()
    assert {kept.digest for kept in world.revisions} == {stable, newest}


def test_a_stable_revision_that_somebody_deleted_is_made_again() -> None:
    world = World()
    stable = world.become_stable()
    world.revisions.clear()
    plan = world.react()
    assert plan.create[0].spec.digest == stable
    assert world.writes == 0


def test_a_deleted_revision_of_an_older_spec_is_served_on_without_a_name() -> None:
    world = World()
    stable = world.become_stable()
    world.say("Second")
    world.revisions.clear()
    plan = world.react()
    assert plan.assignment is not None
    assert plan.assignment.stable_digest == stable
    assert plan.status.stable_revision == ""
