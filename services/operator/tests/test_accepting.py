"""Mistakes of a crew and of what it names: told with reason and place, never fatal."""

from collections.abc import Callable
from typing import Any

import pytest

from libs.crewspec.status import ConditionType, Phase
from services.operator.tests.observed_of import (
    HOME,
    World,
    condition,
    manifest,
    told,
)

ACCEPTED, REFS = ConditionType.ACCEPTED, ConditionType.RESOLVED_REFS


def spec_of(world: World, kind: str) -> dict[str, Any]:
    found = next(known for known in world.documents if known["kind"] == kind)
    spec: dict[str, Any] = found["spec"]
    return spec


def move_agent(world: World, consent: dict[str, Any]) -> None:
    """Let the crew name an agent of another namespace."""
    agent = spec_of(world, "Agent") | {"modelRef": "default", "toolRefs": []}
    if consent:
        agent["allowedNamespaces"] = consent
    world.documents[0] = manifest("Agent", "coach", agent, "shared")
    world.crew["spec"]["tasks"][0]["agent"] = "shared/coach"


def move_model(world: World) -> None:
    model = spec_of(world, "ModelProvider") | {"allowedNamespaces": {"from": "All"}}
    world.documents[1] = manifest("ModelProvider", "hosted", model, "shared")
    spec_of(world, "Agent")["modelRef"] = "shared/hosted"


def undeclared_key(world: World) -> None:
    secret = {"name": "other", "key": "token"}
    spec_of(world, "ModelProvider")["credentialRef"] = {"secret": secret}


def missing_secret(world: World) -> None:
    world.secrets[HOME, "llm", "token"] = None


def unread_secret(world: World) -> None:
    world.secrets.clear()


def key_from_a_variable(world: World) -> None:
    spec_of(world, "ModelProvider")["credentialRef"] = {"env": "LLM_API_KEY"}


def foreign_host(world: World) -> None:
    spec_of(world, "ModelProvider")["endpoint"] = "https://elsewhere.example/v1"


OWN = [
    (lambda world: world.crew["spec"].pop("description"), "InvalidSpec", "$.spec"),
    (
        lambda world: world.crew["spec"]["tasks"][0].update(description="{who}"),
        "InvalidSpec",
        "$.spec.tasks[0].description: unknown variable {who}",
    ),
    (
        lambda world: world.taken_triggers.update(Message="first"),
        "TriggerConflict",
        "$.spec.triggers[0]: Message is already answered by crew 'first'",
    ),
    (
        lambda world: world.crew["metadata"].update(name="c" * 53),
        "InvalidSpec",
        "$.metadata.name",
    ),
    (
        lambda world: world.crew["spec"]["tasks"][0].update(outputRef="none"),
        "InvalidSpec",
        "no agent package offers 'none'",
    ),
]

NAMED = [
    (lambda world: world.documents.pop(0), "InvalidReference", "no Agent 'coach'"),
    (
        lambda world: world.documents.pop(2),
        "InvalidReference",
        "Agent/coach $.spec.toolRefs[0]: no Tool 'lookup'",
    ),
    (
        lambda world: spec_of(world, "Tool").update(title=7),
        "InvalidReference",
        "Tool/lookup $.spec.title",
    ),
    (
        lambda world: spec_of(world, "Agent").update(package="none"),
        "InvalidReference",
        "Agent/coach $.spec.package: no agent package 'none'",
    ),
    (
        lambda world: move_agent(world, {}),
        "ReferenceNotPermitted",
        "does not let namespace 'prod' use it",
    ),
    (
        lambda world: move_agent(world, {"from": "Named", "names": ["dev"]}),
        "ReferenceNotPermitted",
        "its allowedNamespaces decide",
    ),
    (undeclared_key, "SecretNotFound", "global.credentials of the chart"),
    (missing_secret, "SecretNotFound", "no Secret 'llm' with key 'token'"),
    (unread_secret, "SecretNotFound", "no Secret 'llm' with key 'token'"),
    (foreign_host, "SecretNotFound", "may not be sent to 'elsewhere.example'"),
    (move_model, "SecretNotFound", "keys come from Secrets of namespace 'prod' alone"),
    (key_from_a_variable, "InvalidReference", "keys come from Secrets alone"),
]

Break = Callable[[World], Any]


@pytest.mark.parametrize(("break_it", "reason", "message"), OWN)
def test_a_mistake_of_the_crew_itself_is_not_accepted(
    break_it: Break, reason: str, message: str
) -> None:
    world = World()
    break_it(world)
    plan = world.settle()
    assert told(world, ACCEPTED) == ("False", reason)
    assert message in condition(world, ACCEPTED).message
    assert told(world, ConditionType.READY) == ("False", reason)
    assert told(world, ConditionType.STALLED) == ("True", reason)
    assert plan.status.phase is Phase.INVALID
    assert (plan.assignment, plan.create) == (None, ())
    assert world.events == [("Warning", reason)]


@pytest.mark.parametrize(("break_it", "reason", "message"), NAMED)
def test_a_mistake_of_what_a_crew_names_is_told_as_one_of_references(
    break_it: Break, reason: str, message: str
) -> None:
    world = World()
    break_it(world)
    plan = world.settle()
    assert told(world, ACCEPTED) == ("False", reason)
    assert told(world, REFS) == ("False", reason)
    assert message in condition(world, REFS).message
    assert told(world, ConditionType.STALLED) == ("False", reason)
    assert plan.status.phase is Phase.INVALID
    assert world.events == [("Warning", reason)]


@pytest.mark.parametrize("break_it", [row[0] for row in [*OWN[:3], *NAMED]])
def test_the_stable_revision_serves_on_while_the_spec_is_wrong(
    break_it: Break,
) -> None:
    world = World()
    stable = world.become_stable()
    break_it(world)
    plan = world.settle()
    assert told(world, ConditionType.READY)[0] == "False"
    assert plan.status.newest_digest == ""
    assert plan.assignment is not None
    assert plan.assignment.stable_digest == stable
    assert plan.status.orchestrators.ready == 3
    assert plan.delete == ()
    assert world.writes == 1


@pytest.mark.parametrize("break_it", [missing_secret, unread_secret])
def test_a_crew_is_ready_at_once_when_what_it_names_is_there_again(
    break_it: Break,
) -> None:
    world = World()
    stable = world.become_stable()
    break_it(world)
    world.settle()
    world.secrets[HOME, "llm", "token"] = "8"
    plan = world.settle()
    assert told(world, ConditionType.READY) == ("True", "Serving")
    assert plan.status.stable_digest == stable
    assert world.events[-1] == ("Normal", "Accepted")


def test_what_is_named_is_not_known_before_the_spec_can_be_read() -> None:
    world = World()
    world.edit(tasks=[])
    world.settle()
    assert told(world, REFS) == ("Unknown", "InvalidSpec")


def test_the_first_few_mistakes_are_told_in_bounds() -> None:
    world = World()
    task = world.crew["spec"]["tasks"][0]
    tasks = [
        {**task, "name": f"t{index}", "agent": "a" * 50 + str(index)}
        for index in range(20)
    ]
    for early in tasks[:-1]:
        early["output"] = "Internal"
    world.edit(tasks=tasks)
    world.settle()
    message = condition(world, REFS).message
    assert message.count("no Agent") == 5
    assert message.endswith("and 15 more")
    world.edit(tasks=[{**task, "agent": "x" * 116}, {"name": "y" * 1_000}])
    world.settle()
    assert len(condition(world, ACCEPTED).message) <= 1_000


def test_a_message_that_is_too_long_is_cut() -> None:
    world = World()
    task = world.crew["spec"]["tasks"][0]
    world.edit(tasks=[{**task, "description": " ".join(["{" + "v" * 900 + "}"] * 3)}])
    world.settle()
    message = condition(world, ACCEPTED).message
    assert len(message) == 1_000
    assert message.endswith("…")


def test_a_revision_larger_than_can_be_kept_is_not_accepted() -> None:
    world = World()
    task = world.crew["spec"]["tasks"][0]
    tasks = [
        {
            **task,
            "name": f"t{index}",
            "output": "Reply" if index == 19 else "Internal",
            "description": "ü" * 16_000,
            "expectedOutput": "ü" * 16_000,
        }
        for index in range(20)
    ]
    world.edit(tasks=tasks)
    plan = world.settle()
    assert told(world, ACCEPTED) == ("False", "TooLarge")
    assert told(world, REFS) == ("True", "Resolved")
    assert plan.create == ()


def test_another_namespace_may_be_used_with_its_consent() -> None:
    world = World()
    move_agent(world, {"from": "Named", "names": [HOME]})
    world.settle()
    assert told(world, ACCEPTED) == ("True", "Accepted")


def test_a_crew_elsewhere_goes_by_its_namespace() -> None:
    world = World()
    world.crew["metadata"]["namespace"] = "dev"
    world.crew["spec"] |= {"guardrailRefs": []}
    world.crew["spec"]["tasks"][0]["agent"] = "prod/coach"
    spec_of(world, "Agent")["allowedNamespaces"] = {"from": "All"}
    plan = world.react()
    assert plan.assignment is not None
    assert plan.assignment.crew == "dev/coaching"
    (created,) = plan.create
    assert created.spec.crew == "coaching"
    assert [(found.namespace, found.name) for found in created.spec.sources] == [
        ("dev", "coaching"),
        ("prod", "coach"),
    ]
