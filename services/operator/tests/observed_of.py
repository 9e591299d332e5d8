"""A crew with its documents and a fleet, as small as can be, and ways to change it."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from libs.crewspec.annotations import RequestAnnotation
from libs.crewspec.credentials import Credential, Credentials
from libs.crewspec.packages import AgentPackage
from libs.crewspec.status import Condition, ConditionType, CrewStatus
from services.operator.observed import (
    CrewObject,
    FleetView,
    Observed,
    ProbeOutcome,
    RevisionObject,
    RevisionStats,
    Settings,
)
from services.operator.plan import Plan
from services.operator.reconcile import reconcile

__all__ = ["HOME", "SETTINGS", "START", "World", "condition", "manifest", "told"]

HOME = "prod"
START = datetime(2026, 5, 1, 8, tzinfo=UTC)
SETTINGS = Settings(
    home=HOME,
    packages={"coaching": AgentPackage(frozenset({"look_up"}), digest="sha256:1")},
    credentials=Credentials(
        declared=[
            Credential.model_validate(
                {"secret": "llm", "key": "token", "allowedHosts": ["llm.example"]}
            )
        ]
    ),
)


def manifest(
    kind: str, name: str, spec: Mapping[str, Any], namespace: str = HOME
) -> dict[str, Any]:
    """Make an object as an API server gives it."""
    return {
        "apiVersion": "crew.venturebots.dev/v1alpha1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-of-{name}",
            "generation": 1,
        },
        "spec": dict(spec),
    }


def _documents() -> list[dict[str, Any]]:
    agent = {
        "role": "A coach",
        "goal": "Help",
        "backstory": "Experienced",
        "package": "coaching",
        "modelRef": "hosted",
        "toolRefs": ["lookup"],
    }
    model = {
        "provider": "OpenAICompatible",
        "model": "small",
        "endpoint": "https://llm.example/v1",
        "credentialRef": {"secret": {"name": "llm", "key": "token"}},
    }
    tool = {"builtin": "look_up", "title": "Looking", "description": "Looks it up"}
    return [
        manifest("Agent", "coach", agent),
        manifest("ModelProvider", "hosted", model),
        manifest("Tool", "lookup", tool),
        manifest("GuardrailPolicy", "strict", {"maxToolCalls": 2}),
    ]


def _crew() -> dict[str, Any]:
    task = {
        "name": "reply",
        "title": "Writing",
        "description": "Answer {message}",
        "expectedOutput": "A reply",
        "agent": "coach",
    }
    spec = {
        "description": "Answers",
        "triggers": ["Message"],
        "guardrailRefs": ["strict"],
        "tasks": [task],
    }
    return manifest("Crew", "coaching", spec)


@dataclass(slots=True)
class World:
    """Everything outside of the pure core, kept by hand.

    `react` does what a plan says; orchestrators answer only when a test says so.
    """

    crew: dict[str, Any] = field(default_factory=_crew)
    documents: list[dict[str, Any]] = field(default_factory=_documents)
    status: CrewStatus | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    taken_triggers: dict[str, str] = field(default_factory=dict)
    revisions: list[RevisionObject] = field(default_factory=list)
    secrets: dict[tuple[str, str, str], str | None] = field(
        default_factory=lambda: {(HOME, "llm", "token"): "7"}
    )
    fleet: FleetView = field(default_factory=lambda: FleetView(desired=3))
    now: datetime = START
    writes: int = 0
    events: list[tuple[str, str]] = field(default_factory=list)

    @property
    def observed(self) -> Observed:
        """What the core is given."""
        metadata = self.crew["metadata"]
        is_home = metadata["namespace"] == HOME
        prefix = "" if is_home else f"{metadata['namespace']}/"
        return Observed(
            crew=CrewObject(
                key=prefix + metadata["name"],
                name=metadata["name"],
                namespace=metadata["namespace"],
                uid=metadata["uid"],
                generation=metadata["generation"],
                annotations=dict(self.annotations),
                manifest=copy.deepcopy(self.crew),
                status=self.status,
            ),
            documents=copy.deepcopy(self.documents),
            taken_triggers=self.taken_triggers,
            revisions=tuple(self.revisions),
            secrets=self.secrets,
            fleet=self.fleet,
            now=self.now,
        )

    def plan(self) -> Plan:
        """Reconcile without doing anything."""
        return reconcile(self.observed, SETTINGS)

    def react(self) -> Plan:
        """Reconcile and do what the plan says."""
        plan = self.plan()
        self.revisions += [
            RevisionObject(
                name=created.name,
                digest=created.spec.digest,
                content=created.spec.content,
                created_at=self.now,
            )
            for created in plan.create
        ]
        if plan.status != self.status:
            self.writes += 1
            self.status = plan.status
        for key in plan.clear_annotations:
            self.annotations.pop(key, None)
        self.events += [(told.type.value, told.reason) for told in plan.events]
        self.revisions = [
            kept for kept in self.revisions if kept.name not in plan.delete
        ]
        return plan

    def settle(self) -> Plan:
        """React until nothing is left to do."""
        for _ in range(20):
            before = self.status, dict(self.annotations)
            plan = self.react()
            if (self.status, self.annotations) == before:
                return plan
        raise AssertionError("it never settles")

    def edit(self, **changes: Any) -> None:
        """Change fields of the crew's spec: a new generation."""
        self.crew["spec"].update(changes)
        self.crew["metadata"]["generation"] += 1

    def say(self, text: str) -> None:
        """Change what the crew says: a new revision."""
        task = self.crew["spec"]["tasks"][0] | {"expectedOutput": text}
        self.edit(tasks=[task])

    def roll_out(self, **changes: Any) -> None:
        """Change how the crew is rolled out."""
        self.edit(rollout=self.crew["spec"].get("rollout", {}) | changes)

    def ask(self, request: RequestAnnotation, value: str = "true") -> None:
        """Annotate the crew."""
        self.annotations[request.key] = value

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def ack(self, *digests: str, count: int = 3) -> None:
        """Let so many orchestrators serve these digests, and the others none."""
        serving = {f"o{index}": frozenset(digests) for index in range(count)}
        self.fleet = replace(self.fleet, serving=serving)

    def ack_all(self, count: int = 3) -> None:
        """Let orchestrators serve what they are told to."""
        plan = self.plan()
        told = plan.assignment
        served = {told.stable_digest, told.candidate_digest} if told else set[str]()
        self.ack(*(served - {""}), count=count)

    def refuse(self, digest: str, why: str = "no such package") -> None:
        """Let one orchestrator refuse a digest."""
        self.fleet = replace(self.fleet, refused={digest: {"o9": why}})

    def count(self, digest: str, turns: int, errors: int = 0, place: int = 4) -> None:
        """Let so many runs of a revision have ended, all of them as long."""
        durations = [0] * 17
        durations[place] = turns
        stats = RevisionStats(turns, errors, tuple(durations))
        self.fleet = replace(self.fleet, stats={**self.fleet.stats, digest: stats})

    def reply(
        self, digest: str, name: str, text: str = "Hello, founder", error: str = ""
    ) -> None:
        """Let a probe end now."""
        outcome = ProbeOutcome(
            text=text,
            agents=("coach",),
            error=error,
            duration_ms=900,
            finished_at=self.now,
        )
        known = self.fleet.probes.get(digest, {})
        probes = {**self.fleet.probes, digest: {**known, name: outcome}}
        self.fleet = replace(self.fleet, probes=probes)

    def become_stable(self) -> str:
        """Roll out what the spec says as the first revision; returns its digest."""
        self.settle()
        self.ack_all()
        self.settle()
        assert self.status is not None
        assert self.status.stable_digest == self.status.newest_digest
        self.writes = 0
        self.events.clear()
        return self.status.stable_digest


def condition(world: World, kind: ConditionType) -> Condition:
    """Return the condition that was told last."""
    assert world.status is not None
    return next(found for found in world.status.conditions if found.type is kind)


def told(world: World, kind: ConditionType) -> tuple[str, str]:
    """Return a condition's status and reason."""
    found = condition(world, kind)
    return found.status.value, found.reason
