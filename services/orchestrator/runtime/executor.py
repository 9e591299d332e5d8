"""CrewAI's agent executor as one plain coroutine.

The stock one is a state machine in threads whose model calls outlive a cancel.
This one awaits the model, runs native tool calls in a bounded pool, and ends
whatever it began.
"""

import asyncio
import json
from collections.abc import Coroutine
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, override

from pydantic import BaseModel, PrivateAttr

from services.orchestrator.engine import EndStatus
from services.orchestrator.errors import (
    LLMBadOutputError,
    OutputInvalidError,
    RunFailedError,
    StepTimeoutError,
    ToolLimitError,
    ToolsStuckError,
)
from services.orchestrator.guardrails import GuardrailRule
from services.orchestrator.runtime.compat import (
    PRINTER,
    AgentExecutor,
    AgentExecutorState,
    SystemPromptResult,
    aget_llm_response,
    extract_tool_call_info,
    setup_native_tools,
)
from services.orchestrator.runtime.output_shape import OutputShape, repair_request
from services.orchestrator.runtime.policies.tool_calls import as_data, call_problem
from services.orchestrator.runtime.prompt import build_messages, takes_message
from services.orchestrator.runtime.scope import (
    RunScope,
    StepScope,
    current_run,
    current_step,
)

__all__ = ["AsyncExecutor"]

_ANSWER_NOW = "\n\n(No more tools are available: answer now with what you know.)"
_SAME_CALL = "You made this very call before. The answer was: "


class AsyncExecutor(AgentExecutor):
    """Runs one agent on one task, natively asynchronous."""

    _results: dict[str, str] = PrivateAttr(default_factory=dict)
    _wanted: set[str] = PrivateAttr(default_factory=set)

    @override
    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute, without the deprecated look-up of the stock class."""
        if name in type(self).model_fields or name in self.__private_attributes__:
            BaseModel.__setattr__(self, name, value)
        else:
            object.__setattr__(self, name, value)

    @override
    def _create_initial_state(self) -> AgentExecutorState:
        """Skip a new pydantic class per executor: 10 ms each."""
        return AgentExecutorState()

    @override
    def _class_bound_methods(self) -> dict[Any, Any]:
        """Bind no flow methods: there is no flow."""
        return {}

    @override
    def invoke(
        self, inputs: dict[str, Any]
    ) -> dict[str, Any] | Coroutine[Any, Any, dict[str, Any]]:
        """Execute from a thread (delegation), or hand a coroutine to a loop."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            run = current_run.get()
            return asyncio.run_coroutine_threadsafe(
                self.invoke_async(inputs), run.loop
            ).result()
        return self.invoke_async(inputs)

    @override
    async def invoke_async(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Execute the step; tells its events and keeps to its time.

        Raises:
            VentureBotsError: Model, limits or time.

        """
        run = current_run.get()
        name = None if self.task is None else self.task.name
        step = StepScope(run, run.task_named(name))
        step.begin()
        status = EndStatus.CANCELLED
        try:
            output = await self._execute_in_time(inputs, step)
        except Exception:
            status = EndStatus.FAILED
            raise
        else:
            status = EndStatus.COMPLETE
            return {"output": output}
        finally:
            self._results.clear()
            self._wanted.clear()
            if status is not EndStatus.COMPLETE:
                step.abandon(status)

    async def _execute_in_time(self, inputs: dict[str, Any], step: StepScope) -> str:
        seconds = step.task.timeout_seconds
        limit = asyncio.timeout(seconds)
        previous = current_step.set(step)
        try:
            async with limit:
                answer = await self._converse(inputs, step)
                if step.shape is not None:
                    step.answer_with(await self._shaped(answer, step, step.shape))
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise StepTimeoutError(
                f"step {step.task.name!r} took longer than {seconds} s"
            ) from error
        finally:
            current_step.reset(previous)
        return step.complete()

    async def _shaped(self, answer: str, step: StepScope, shape: OutputShape) -> str:
        """Read an answer that is data; ask once more when it does not fit.

        Raises:
            OutputInvalidError: It does not fit the second time either.

        """
        try:
            return shape.read(answer)
        except OutputInvalidError as problem:
            step.note(GuardrailRule.REPAIR, shape.name)
            self.state.messages += [
                {"role": "assistant", "content": answer},
                {"role": "user", "content": repair_request(problem)},
            ]
        repaired = await self._ask(step, with_tools=False)
        if not isinstance(repaired, str):
            raise LLMBadOutputError("the model called tools where it had to answer")
        return shape.read(repaired)

    async def _converse(self, inputs: dict[str, Any], step: StepScope) -> str:
        """Ask, run the tools the model wants, ask again; returns its answer."""
        if not isinstance(self.prompt, SystemPromptResult):
            raise RunFailedError("only prompts with a system part are supported")
        self.state.messages = build_messages(
            self.prompt.system,
            self.prompt.user,
            inputs["input"],
            step.run.plan,
            in_task=takes_message(step.task),
        )
        self._refuse_text_tools()
        is_last = False
        for iteration in range(self.max_iter):
            is_last = is_last or iteration == self.max_iter - 1
            if is_last and iteration:
                self.state.messages[-1]["content"] += _ANSWER_NOW
            answer = await self._ask(step, with_tools=not is_last)
            if isinstance(answer, str):
                return answer
            if is_last:
                break
            step.end_model_call()
            is_new = await self._run_tools(answer, step)
            is_last = not (is_new and step.run.budget.has_tool_calls)
        if not step.run.budget.has_tool_calls:
            raise ToolLimitError("the model wanted more tool calls than it may have")
        raise LLMBadOutputError("the model called tools where it had to answer")

    @override
    def _setup_native_tools(self) -> None:
        """Describe the tools as stock does, each set of them once in a process."""
        tools = self.original_tools
        described = _descriptions_of(
            tuple((tool.name, tool.description, tool.args_schema) for tool in tools)
        )
        names = [description["function"]["name"] for description in described]
        self._openai_tools = described
        self._available_functions = {
            name: tool.run for name, tool in zip(names, tools, strict=True)
        }
        self._tool_name_mapping = dict(zip(names, tools, strict=True))

    def _refuse_text_tools(self) -> None:
        if not self.original_tools:
            return
        if not self._check_native_tool_support():
            raise RunFailedError(
                "the model cannot call tools natively; calls in prose are refused"
            )
        self._setup_native_tools()

    async def _ask(
        self, step: StepScope, *, with_tools: bool
    ) -> str | list[dict[str, Any]]:
        if self.llm is None:
            raise RunFailedError("the executor has no model")
        step.run.budget.begin_call()
        answer = await aget_llm_response(
            llm=self.llm,
            messages=self.state.messages,
            callbacks=[],
            printer=PRINTER,
            tools=self._openai_tools if with_tools and self.original_tools else None,
            from_task=self.task,
            from_agent=self.agent,
            executor_context=self,
            verbose=False,
        )
        step.run.budget.end_call()
        if isinstance(answer, str | list):
            return answer
        raise LLMBadOutputError(f"the model answered with {type(answer).__name__}")

    async def _run_tools(self, calls: list[dict[str, Any]], step: StepScope) -> bool:
        """Run the calls the budget allows, at once; whether any of them was new."""
        allowed = step.run.budget.take_tool_calls(len(calls))
        if allowed < len(calls):
            step.note(GuardrailRule.TOOL_CALL, "limit")
        calls = calls[:allowed]
        if not calls:
            return False
        wanted = {_fingerprint(call) for call in calls}
        is_new = bool(wanted - self._wanted)
        self._wanted |= wanted
        problems = [self._problem(call, step) for call in calls]
        # What does not fit is not sent back: a server may not take it either.
        sent = [
            call if problem is None else _without_arguments(call)
            for call, problem in zip(calls, problems, strict=True)
        ]
        self.state.messages.append(
            {"role": "assistant", "content": None, "tool_calls": sent}
        )
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(self._run_tool(call, problem, step))
                for call, problem in zip(sent, problems, strict=True)
            ]
        self.state.messages.extend(task.result() for task in running)
        return is_new

    def _problem(self, call: dict[str, Any], step: StepScope) -> str | None:
        policy = step.run.budget.policy
        offered = {tool.name: tool.args_schema for tool in self.original_tools or ()}
        problem = call_problem(
            call, offered, max_characters=policy.max_tool_argument_characters
        )
        if problem is not None:
            step.note(GuardrailRule.TOOL_CALL, "invalid")
        return problem

    async def _run_tool(
        self, call: dict[str, Any], problem: str | None, step: StepScope
    ) -> dict[str, Any]:
        name, title, seconds = _describe(call, step.run)
        call_id = step.begin_tool(name, title)
        fingerprint = _fingerprint(call)
        status = EndStatus.CANCELLED
        try:
            if problem is not None:
                text, status = problem, EndStatus.FAILED
            elif fingerprint in self._results:
                text, status = _SAME_CALL + self._results[fingerprint], _COMPLETE
            else:
                text, status = await self._execute_tool(call, name, step, seconds)
                self._results[fingerprint] = text
        finally:
            step.end_tool(call_id, status)
        return {
            "role": "tool",
            "tool_call_id": call["id"],
            "name": name,
            "content": text,
        }

    async def _execute_tool(
        self, call: dict[str, Any], name: str, step: StepScope, seconds: int
    ) -> tuple[str, EndStatus]:
        """Execute in a thread of the pool; what it returns is data, within bounds."""
        run = step.run
        try:
            result = await run.tool_pool.run(
                name,
                lambda: self._execute_single_native_tool_call(call),
                timeout_seconds=seconds,
            )
        except TimeoutError:
            return f"The tool gave no answer within {seconds} s.", EndStatus.FAILED
        except ToolsStuckError:
            step.note(GuardrailRule.TOOL_CALL, "stuck")
            return "The tool does not work now: go on without it.", EndStatus.FAILED
        except Exception as error:  # noqa: BLE001 - the model is told and goes on
            return f"The tool failed: {type(error).__name__}.", EndStatus.FAILED
        text = as_data(run.input_rules.apply_to_result(str(result["result"])))
        has_failed = result.get("tool_failure") is not None
        return text, EndStatus.FAILED if has_failed else _COMPLETE


_COMPLETE = EndStatus.COMPLETE
_DEFAULT_TOOL_SECONDS = 20
_MAX_NAME = 64
_UNKNOWN = "unknown"


@lru_cache(maxsize=128)
def _descriptions_of(
    tools: tuple[tuple[str, str, type[BaseModel]], ...],
) -> list[dict[str, Any]]:
    """What models are told of tools, by name, description and arguments."""
    shapes: list[Any] = [
        SimpleNamespace(name=name, description=text, args_schema=schema, run=None)
        for name, text, schema in tools
    ]
    described: list[dict[str, Any]] = setup_native_tools(shapes)[0]
    return described


def _describe(call: dict[str, Any], run: RunScope) -> tuple[str, str, int]:
    """Name, title and time of the tool a call wants.

    A name no tool has is the model's own words, which no output rule has seen:
    nobody is shown it.
    """
    info = extract_tool_call_info(call)
    name = info[1] if info else _UNKNOWN
    document = run.tools.get(name)
    if document is None:
        return _UNKNOWN, _UNKNOWN, _DEFAULT_TOOL_SECONDS
    return name, document.title, document.timeout_seconds


def _without_arguments(call: dict[str, Any]) -> dict[str, Any]:
    """The call with nothing in it but a short name."""
    function = call.get("function") or {}
    name = str(function.get("name") or _UNKNOWN)[:_MAX_NAME]
    return {**call, "function": {"name": name, "arguments": "{}"}}


def _fingerprint(call: dict[str, Any]) -> str:
    """What makes two calls the same: tool and arguments, however spelled."""
    function = call.get("function") or {}
    arguments = function.get("arguments") or "{}"
    try:
        arguments = json.dumps(json.loads(arguments), sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        arguments = str(arguments)
    return f"{function.get('name')}({arguments})"
