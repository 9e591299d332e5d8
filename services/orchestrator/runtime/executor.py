"""CrewAI's agent executor as one plain coroutine.

The stock one is a state machine in threads whose model calls outlive a cancel.
This one awaits the model, runs native tool calls in a bounded pool, and ends
whatever it began.
"""

import asyncio
import contextvars
import json
from collections.abc import Coroutine
from typing import Any, override

from pydantic import BaseModel, PrivateAttr

from services.orchestrator.engine import EndStatus
from services.orchestrator.errors import (
    LLMBadOutputError,
    RunFailedError,
    StepTimeoutError,
)
from services.orchestrator.runtime.compat import (
    PRINTER,
    AgentExecutor,
    AgentExecutorState,
    SystemPromptResult,
    aget_llm_response,
    extract_tool_call_info,
)
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
            if status is not EndStatus.COMPLETE:
                step.abandon(status)

    async def _execute_in_time(self, inputs: dict[str, Any], step: StepScope) -> str:
        seconds = step.task.timeout_seconds
        limit = asyncio.timeout(seconds)
        previous = current_step.set(step)
        try:
            async with limit:
                await self._converse(inputs, step)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise StepTimeoutError(
                f"step {step.task.name!r} took longer than {seconds} s"
            ) from error
        finally:
            current_step.reset(previous)
        return step.complete()

    async def _converse(self, inputs: dict[str, Any], step: StepScope) -> None:
        """Ask, run the tools the model wants, ask again; until it answers."""
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
            answer = await self._ask(with_tools=not is_last)
            if isinstance(answer, str):
                return
            if is_last:
                break
            step.end_model_call()
            is_last = not await self._run_tools(answer, step)
        raise LLMBadOutputError("the model called tools where it had to answer")

    def _refuse_text_tools(self) -> None:
        if not self.original_tools:
            return
        if not self._check_native_tool_support():
            raise RunFailedError(
                "the model cannot call tools natively; calls in prose are refused"
            )
        self._setup_native_tools()

    async def _ask(self, *, with_tools: bool) -> str | list[dict[str, Any]]:
        if self.llm is None:
            raise RunFailedError("the executor has no model")
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
        if isinstance(answer, str | list):
            return answer
        raise LLMBadOutputError(f"the model answered with {type(answer).__name__}")

    async def _run_tools(self, calls: list[dict[str, Any]], step: StepScope) -> bool:
        """Run all calls at once; whether any of them was new."""
        step.run.count_tool_calls(len(calls))
        self.state.messages.append(
            {"role": "assistant", "content": None, "tool_calls": calls}
        )
        known = set(self._results)
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._run_tool(call, step)) for call in calls]
        self.state.messages.extend(task.result() for task in running)
        return any(_fingerprint(call) not in known for call in calls)

    async def _run_tool(self, call: dict[str, Any], step: StepScope) -> dict[str, Any]:
        name, title, seconds = _describe(call, step.run)
        call_id = step.begin_tool(name, title)
        fingerprint = _fingerprint(call)
        status = EndStatus.CANCELLED
        try:
            if fingerprint in self._results:
                text, status = _SAME_CALL + self._results[fingerprint], _COMPLETE
            else:
                text, status = await self._execute_tool(call, step.run, seconds)
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
        self, call: dict[str, Any], run: RunScope, seconds: int
    ) -> tuple[str, EndStatus]:
        """Execute in a thread of the pool, with a copy of this context.

        A thread cannot be stopped: after its time its answer is ignored.

        """
        context = contextvars.copy_context()
        waiting = run.loop.run_in_executor(
            run.tool_pool, context.run, self._execute_single_native_tool_call, call
        )
        try:
            result = await asyncio.wait_for(waiting, seconds)
        except TimeoutError:
            return f"The tool gave no answer within {seconds} s.", EndStatus.FAILED
        except Exception as error:  # noqa: BLE001 - the model is told and goes on
            return f"The tool failed: {type(error).__name__}.", EndStatus.FAILED
        has_failed = result.get("tool_failure") is not None
        return str(result["result"]), EndStatus.FAILED if has_failed else _COMPLETE


_COMPLETE = EndStatus.COMPLETE
_DEFAULT_TOOL_SECONDS = 20


def _describe(call: dict[str, Any], run: RunScope) -> tuple[str, str, int]:
    """Name, title and time of the tool a call wants, known or not."""
    info = extract_tool_call_info(call)
    name = info[1] if info else "unknown"
    document = run.tools.get(name)
    if document is None:
        return name, name, _DEFAULT_TOOL_SECONDS
    return name, document.title, document.timeout_seconds


def _fingerprint(call: dict[str, Any]) -> str:
    """What makes two calls the same: tool and arguments, however spelled."""
    function = call.get("function") or {}
    arguments = function.get("arguments") or "{}"
    try:
        arguments = json.dumps(json.loads(arguments), sort_keys=True)
    except (TypeError, ValueError):
        arguments = str(arguments)
    return f"{function.get('name')}({arguments})"
