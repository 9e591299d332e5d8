"""The crew engine's port, implemented on CrewAI."""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from libs.crewspec.compiled import BlockedOutput, CompiledTask, PolicyDocument
from libs.errors import VentureBotsError
from services.orchestrator.engine import (
    Emit,
    EndStatus,
    RunPlan,
    StepFinished,
    StepStarted,
)
from services.orchestrator.errors import RunFailedError
from services.orchestrator.runtime.crew_builder import build_crew, limits_of, tools_of
from services.orchestrator.runtime.llm.base import StreamingLLM
from services.orchestrator.runtime.llm.catalogue import ModelCatalogue
from services.orchestrator.runtime.policies.input_rules import CleanTexts, InputRules
from services.orchestrator.runtime.policies.limits import Budget
from services.orchestrator.runtime.policies.output_window import OutputRules
from services.orchestrator.runtime.scope import RunScope, current_run, stable_id
from services.orchestrator.runtime.summary import Folding
from services.orchestrator.runtime.tool_pool import ToolPool
from services.orchestrator.runtime.warm_up import warm_up_plan

__all__ = ["CrewRunner"]


class CrewRunner:
    """Runs crews on one event loop; tools in a bounded pool of threads."""

    def __init__(self, *, tool_threads: int, models: ModelCatalogue) -> None:
        self._tool_pool = ToolPool(tool_threads)
        self._models = models
        self._clean_texts = CleanTexts()
        self._output_rules: tuple[PolicyDocument, OutputRules] | None = None
        self._mark = f"\u27e6{secrets.token_hex(6)}\u27e7"

    @property
    def stuck_tool_threads(self) -> int:
        """How many threads tools still hold although their time is up."""
        return self._tool_pool.stuck_threads

    async def warm_up(self) -> None:
        """Run a small crew on the simulated model, one tool call included."""
        await self.run(warm_up_plan(), lambda _event: None)

    async def run(self, plan: RunPlan, emit: Emit) -> None:
        """Execute the plan's crew; see the port."""
        for task in plan.crew.tasks:
            if task.name in plan.finished_steps:
                _tell_reused(plan, task, emit)
        if all(task.name in plan.finished_steps for task in plan.crew.tasks):
            return
        policy = limits_of(plan.crew, plan.live)
        rules = InputRules(policy, self._clean_texts)
        plan = rules.apply(plan)
        with self._models.lease(plan.live) as llm_for:
            folding = Folding(plan, llm_for, emit)
            scope = self._scope(await folding.make_room(), emit, policy, rules)
            await self._kick_off(scope, llm_for)
            await folding.settle()

    def _scope(
        self, plan: RunPlan, emit: Emit, policy: PolicyDocument, rules: InputRules
    ) -> RunScope:
        return RunScope(
            plan=plan,
            emit=emit,
            loop=asyncio.get_running_loop(),
            tool_pool=self._tool_pool,
            budget=Budget(policy),
            input_rules=rules,
            output_rules=self._rules_for(policy),
            tools=tools_of(plan),
        )

    def _rules_for(self, policy: PolicyDocument) -> OutputRules | None:
        """The policy's output rules, kept as long as the policy is the newest."""
        if not OutputRules.are_in(policy):
            return None
        if self._output_rules is None or self._output_rules[0] != policy:
            self._output_rules = policy, OutputRules(policy, self._mark)
        return self._output_rules[1]

    async def _kick_off(
        self, scope: RunScope, llm_for: Callable[[str], StreamingLLM]
    ) -> None:
        is_marked = BlockedOutput.SYSTEM_PROMPT in scope.budget.policy.blocked_output
        mark = self._mark if is_marked else ""
        with _scoped(scope):
            try:
                await build_crew(scope.plan, llm_for, mark=mark).akickoff()
            except VentureBotsError:
                raise
            except Exception as error:
                raise _typed(error) from error

    async def aclose(self) -> None:
        """Close the models' connections and stop taking tool calls."""
        await self._models.aclose()
        self._tool_pool.close()


@contextmanager
def _scoped(scope: RunScope) -> Iterator[None]:
    """Make the run known in this context."""
    token = current_run.set(scope)
    try:
        yield
    finally:
        current_run.reset(token)


def _tell_reused(plan: RunPlan, task: CompiledTask, emit: Emit) -> None:
    """Tell a step that an earlier attempt finished; nothing is executed."""
    step_id = stable_id(plan, "step", task.name)
    emit(
        StepStarted(step_id=step_id, task=task.name, agent=task.agent, title=task.title)
    )
    emit(
        StepFinished(
            step_id=step_id,
            task=task.name,
            status=EndStatus.COMPLETE,
            duration_ms=0,
            output=plan.finished_steps[task.name],
            reused=True,
        )
    )


def _typed(error: Exception) -> VentureBotsError:
    """The typed failure in an error's chain, or one that says what it was."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, VentureBotsError):
            return cause
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        else:
            cause = cause.__cause__ or cause.__context__
    return RunFailedError(f"the crew failed with {type(error).__name__}")
