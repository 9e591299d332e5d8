"""Whatever people, orchestrators, time and crashes do, the promises are kept."""

from dataclasses import replace
from typing import Any, override

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from libs.crewspec.annotations import RequestAnnotation
from libs.crewspec.status import ConditionType, CrewStatus
from services.operator.observed import FleetView, RevisionStats
from services.operator.plan import Plan
from services.operator.tests.observed_of import HOME, World, told

ROLLOUTS: list[dict[str, Any]] = [
    {},
    {"probes": [{"name": "greets"}, {"name": "opens"}]},
    {"steps": [{"weight": 10, "pauseSeconds": 20}, {"weight": 100}]},
    {
        "probes": [{"name": "greets"}],
        "steps": [{"weight": 30, "requireApproval": True}, {"weight": 100}],
        "progressDeadlineSeconds": 60,
        "minAckPercent": 60,
    },
]
ORCHESTRATORS = ("o0", "o1", "o2")
TEXTS = st.sampled_from(["A reply", "Second", "Third", "Fourth"])


class AnySequence(RuleBasedStateMachine):
    """A crew, its founders' traffic, its fleet and the person who edits it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.plan: Plan = self.world.plan()
        self.failed: set[str] = set()
        self.stable = ""

    @rule(text=TEXTS)
    def edit(self, text: str) -> None:
        """Change what the crew says."""
        self.world.say(text)
        self.react()

    @rule(goal=st.sampled_from(["Help", "Help more"]))
    def edit_agent(self, goal: str) -> None:
        """Change an agent that the crew names."""
        self.world.documents[0]["spec"]["goal"] = goal
        self.react()

    @rule(rollout=st.sampled_from(ROLLOUTS), is_automatic=st.booleans())
    def edit_rollout(self, rollout: dict[str, Any], *, is_automatic: bool) -> None:
        """Change how the crew is rolled out."""
        self.world.edit(rollout=rollout | {"autoRollback": is_automatic})
        self.react()

    @rule(is_paused=st.booleans())
    def pause(self, *, is_paused: bool) -> None:
        """Pause the crew, or let it go on."""
        self.world.edit(paused=is_paused)
        self.react()

    @rule(version=st.sampled_from([None, "7"]))
    def lose_or_find_the_secret(self, version: str | None) -> None:
        """Take a model's Secret away, or give it back."""
        self.world.secrets[HOME, "llm", "token"] = version
        self.react()

    @rule(names=st.sets(st.sampled_from(ORCHESTRATORS), min_size=1))
    def follow(self, names: set[str]) -> None:
        """Let orchestrators serve what they were told to."""
        serving = dict(self.world.fleet.serving)
        serving |= dict.fromkeys(names, self.assigned())
        self.change_fleet(serving=serving)
        self.react()

    @rule(desired=st.sampled_from([None, 0, 2, 3, 3, 3]))
    def scale(self, desired: int | None) -> None:
        """Change how many orchestrators there are, or whether that is known."""
        self.change_fleet(desired=desired)
        self.react()

    @rule(is_refusing=st.booleans())
    def refuse(self, *, is_refusing: bool) -> None:
        """Let an orchestrator refuse the candidate, or take that back."""
        candidate = self.status.candidate_digest
        refused = {candidate: {"o1": "no such package"}} if is_refusing else {}
        self.change_fleet(refused=refused)
        self.react()

    @rule(text=st.sampled_from(["Hello", "Hello", ""]))
    def end_probes(self, text: str) -> None:
        """Let all probes end that are under way."""
        for probe in self.plan.probes:
            self.world.reply(probe.digest, probe.name, text)
        self.react()

    @rule(turns=st.integers(0, 30), share=st.sampled_from([0, 0, 0.5]))
    def talk(self, turns: int, share: float) -> None:
        """Let runs end, some of the candidate's badly."""
        for digest in self.assigned():
            known = self.world.fleet.stats.get(digest, RevisionStats()).turns
            is_candidate = digest == self.status.candidate_digest
            errors = int((known + turns) * share) if is_candidate else 0
            self.world.count(digest, known + turns, errors)
        self.react()

    @rule(seconds=st.sampled_from([0.5, 5, 50, 700]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.world.wait(seconds)
        self.react()

    @rule()
    def wait_as_told(self) -> None:
        """Let time pass until something may change."""
        if self.plan.again_in_seconds is not None:
            self.world.wait(self.plan.again_in_seconds)
        self.react()

    @rule(data=st.data(), request_=st.sampled_from(RequestAnnotation))
    def ask(self, data: st.DataObject, request_: RequestAnnotation) -> None:
        """Annotate the crew, sensibly or not."""
        self.world.ask(request_, self.any_value(data))
        self.react()

    @rule()
    def restart_the_operator(self) -> None:
        """Forget all that is not kept in the cluster."""
        self.world.fleet = FleetView()
        self.react()

    @rule(data=st.data(), request_=st.sampled_from(RequestAnnotation))
    def crash_after_the_status_was_written(
        self, data: st.DataObject, request_: RequestAnnotation
    ) -> None:
        """Die before the annotation is taken away; go on from the status."""
        self.world.ask(request_, self.any_value(data))
        asked = dict(self.world.annotations)
        self.check(self.world.react())
        self.world.annotations = asked
        self.restart_the_operator()

    @property
    def status(self) -> CrewStatus:
        """What was told last."""
        return self.world.status or CrewStatus()

    def assigned(self) -> frozenset[str]:
        """The digests that are served to anybody."""
        told = self.plan.assignment
        found = {told.stable_digest, told.candidate_digest} if told else set[str]()
        return frozenset(found - {""})

    def any_value(self, data: st.DataObject) -> str:
        """Draw what may stand in an annotation."""
        digests = sorted(kept.digest for kept in self.world.revisions)
        return str(data.draw(st.sampled_from(["true", "nonsense", *digests])))

    def change_fleet(self, **changes: Any) -> None:
        """Let something else be known of the orchestrators."""
        self.world.fleet = replace(self.world.fleet, **changes)

    def react(self) -> None:
        """Do what is planned until nothing is left to do, checking every plan."""
        for _ in range(10):
            before = self.world.status, dict(self.world.annotations)
            self.check(self.world.react())
            if (self.world.status, self.world.annotations) == before:
                return
        raise AssertionError("it never settles")

    def check(self, plan: Plan) -> None:
        """Write a plan's status as an API server does, and check the plan."""
        self.plan = plan
        read = CrewStatus.model_validate(plan.status.model_dump(by_alias=True))
        assert read == plan.status
        self.world.status = read
        self.check_failed(plan)
        self.check_assignment(plan)

    def check_failed(self, plan: Plan) -> None:
        """A digest that failed is forgotten only on a person's word."""
        failed = set(plan.status.failed_digests)
        forgotten = self.failed - failed
        requests = {RequestAnnotation.APPROVE.key, RequestAnnotation.ROLLBACK_TO.key}
        assert not forgotten or requests & set(plan.clear_annotations)
        self.failed = failed

    def check_assignment(self, plan: Plan) -> None:
        """One stable revision, which changes by promotion or on request alone."""
        told, status = plan.assignment, plan.status
        stable = told.stable_digest if told else ""
        if stable != self.stable:
            is_asked = RequestAnnotation.ROLLBACK_TO.key in plan.clear_annotations
            assert is_asked or stable == status.newest_digest
        assert stable or not self.stable, "whoever was served is served no more"
        self.stable = stable
        if told is None:
            return
        assert (told.stable_digest, told.candidate_digest) == (
            status.stable_digest,
            status.candidate_digest,
        )
        assert told.candidate_digest != told.stable_digest
        assert not self.assigned() & self.failed
        assert told.candidate_weight == status.canary_weight
        if told.candidate_weight:
            assert told.candidate_digest
            assert told.stable_digest
            assert status.rollout.step_started_at

    @invariant()
    def a_plan_that_was_carried_out_is_not_planned_again(self) -> None:
        """Once done, nothing is left to do."""
        if self.world.status is None:
            return
        plan = self.world.plan()
        assert plan.status == self.world.status
        assert plan.assignment == self.plan.assignment
        left = (plan.create, plan.delete, plan.events, plan.clear_annotations)
        assert left == ((), (), (), ())
        assert plan.again_in_seconds is None or plan.again_in_seconds > 0

    @invariant()
    def nothing_changes_before_the_moment_that_was_told(self) -> None:
        """Time alone changes nothing sooner."""
        if self.world.status is None:
            return
        now, told = self.world.now, self.plan.again_in_seconds
        self.world.wait(told - 0.001 if told else 1_000_000)
        plan = self.world.plan()
        self.world.now = now
        if told is None or told > 0.001:
            assert plan.status == self.world.status

    @invariant()
    def conditions_agree_with_each_other(self) -> None:
        """No condition belies another."""
        if self.world.status is None:
            return
        status = self.world.status
        known = {found.type for found in status.conditions}
        assert known == set(ConditionType)
        assert status.observed_generation == self.world.crew["metadata"]["generation"]
        is_moving = told(self.world, ConditionType.RECONCILING)[0] == "True"
        is_stuck = told(self.world, ConditionType.STALLED)[0] == "True"
        assert not (is_moving and is_stuck)
        if told(self.world, ConditionType.READY)[0] == "True":
            assert status.newest_digest == status.stable_digest
        is_given_up = status.newest_digest in status.failed_digests
        assert (told(self.world, ConditionType.ROLLED_BACK)[0] == "True") is is_given_up

    @override
    def teardown(self) -> None:
        """With everybody well and nobody asking for more it comes to rest."""
        world = self.world
        world.secrets[HOME, "llm", "token"] = "7"
        world.edit(paused=False)
        self.change_fleet(desired=3, refused={})
        for _ in range(40):
            self.react()
            before = self.plan
            self.follow(set(ORCHESTRATORS))
            self.end_probes("Hello")
            self.talk(30, 0)
            if self.status.candidate_digest and self.plan.again_in_seconds is None:
                self.world.ask(RequestAnnotation.APPROVE)
                self.react()
            self.wait_as_told()
            if self.plan == before and self.plan.again_in_seconds is None:
                break
        else:
            raise AssertionError("it never comes to rest")
        is_ready = told(world, ConditionType.READY)[0] == "True"
        is_given_up = self.status.newest_digest in self.failed
        assert is_ready is not is_given_up


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
