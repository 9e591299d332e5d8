"""CrewAI, and every name of it this project touches, public and private.

All other modules import CrewAI's names from here. Importing this module imports
CrewAI with the right environment; `install` replaces what a server must not do
(files, locks, threads, listeners) and fails loudly when a name has moved. The
tests run the stock executor beside ours, so that an upgrade shows what changed.
"""

import os
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from services.orchestrator.runtime import environment

with environment.quiet_import():
    import crewai
    from crewai import Agent, Crew, Process, Task
    from crewai.agents.agent_builder.base_agent import BaseAgent
    from crewai.agents.agent_executor import AgentExecutor, AgentExecutorState
    from crewai.events.event_bus import crewai_event_bus
    from crewai.llms.base_llm import BaseLLM
    from crewai.tasks.task_output import TaskOutput
    from crewai.tools.base_tool import BaseTool
    from crewai.tools.structured_tool import CrewStructuredTool
    from crewai.utilities import file_store
    from crewai.utilities.agent_utils import (
        aget_llm_response,
        extract_tool_call_info,
        setup_native_tools,
    )
    from crewai.utilities.prompts import SystemPromptResult
    from crewai_core import lock_store
    from crewai_core.printer import PRINTER

__all__ = [
    "PRINTER",
    "SUPPORTED_VERSION",
    "Agent",
    "AgentExecutor",
    "AgentExecutorState",
    "BaseAgent",
    "BaseLLM",
    "BaseTool",
    "Crew",
    "CrewStructuredTool",
    "IncompatibleCrewAIError",
    "Process",
    "SystemPromptResult",
    "Task",
    "TaskOutput",
    "aget_llm_response",
    "crewai_event_bus",
    "extract_tool_call_info",
    "install",
    "listener_count",
    "setup_native_tools",
    "undeprecated",
]

SUPPORTED_VERSION = "1.15.30"

_PRIVATE_NAMES: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (
        AgentExecutor,
        (
            "_check_native_tool_support",
            "_class_bound_methods",
            "_create_initial_state",
            "_execute_single_native_tool_call",
            "_setup_native_tools",
            "invoke",
            "invoke_async",
        ),
    ),
    (
        BaseLLM,
        (
            "_emit_stream_chunk_event",
            "_format_messages",
            "_wrap_call_method",
        ),
    ),
    (file_store, ("_file_store", "_run_sync")),
    (lock_store, ("_REDIS_URL", "set_lock_backend")),
    (
        crewai_event_bus,
        ("_async_handlers", "_sync_handlers", "emit", "scoped_handlers"),
    ),
)


class IncompatibleCrewAIError(RuntimeError):
    """This CrewAI is not the one the runtime was written for."""


class _NoTaskOutputStore:
    """Stands for the SQLite file of prompts and answers; keeps nothing."""

    def reset(self) -> None:
        """Forget nothing."""

    def update(self, task_index: int, log: dict[str, Any]) -> None:
        """Store nothing."""

    def load(self) -> None:
        """Know nothing."""


@contextmanager
def _no_lock(_name: str, *, timeout: float = 0) -> Iterator[None]:
    """Lock nothing: one process, and no file that two could write."""
    del timeout
    yield


def _tell_nobody(*_: object, **__: object) -> None:
    """Drop an event: without listeners the bus would number it and keep it."""


def _run_inline[T](coro: Coroutine[None, None, T]) -> T:
    """Finish a coroutine that never waits, without a thread and an event loop.

    CrewAI's file store is the only caller; without a store it never suspends.

    """
    try:
        coro.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    coro.close()
    raise IncompatibleCrewAIError("crewai's file store waits for something")


def _check() -> None:
    """Every assumption, one by one.

    Raises:
        IncompatibleCrewAIError: Names the first that does not hold.

    """
    _check_environment()
    if crewai.__version__ != SUPPORTED_VERSION:
        raise IncompatibleCrewAIError(
            f"crewai {crewai.__version__} is installed; the runtime was written"
            f" for {SUPPORTED_VERSION}"
        )
    for owner, names in _PRIVATE_NAMES:
        for name in names:
            if not hasattr(owner, name):
                raise IncompatibleCrewAIError(f"crewai lacks {owner!r}.{name}")
    if "_task_output_handler" not in Crew.__private_attributes__:
        raise IncompatibleCrewAIError("crewai's Crew keeps task outputs elsewhere")
    if file_store._file_store is not None:  # noqa: SLF001 - see the module's docstring
        raise IncompatibleCrewAIError("crewai has a file store: aiocache is installed")


def _check_environment() -> None:
    if lock_store._REDIS_URL is not None:  # noqa: SLF001 - see the module's docstring
        raise IncompatibleCrewAIError("crewai was imported with REDIS_URL set")
    for name, value in environment.VARIABLES.items():
        if os.environ.get(name) != value:
            raise IncompatibleCrewAIError(f"crewai needs {name}={value}")


def undeprecated[M: BaseModel](model: type[M]) -> type[M]:
    """The class itself, its deprecated fields read without a warning each time.

    CrewAI reads them itself. A subclass brings descriptors of its own.
    """
    fields: dict[str, FieldInfo] = model.model_fields
    for name, field in fields.items():
        if field.deprecated and name in vars(model):
            delattr(model, name)
    return model


_installed: ExitStack | None = None


def install() -> None:
    """Make CrewAI fit for a server, once and for the life of the process.

    Raises:
        IncompatibleCrewAIError: A name this relies on is not there.

    """
    global _installed  # noqa: PLW0603 - what it changes is global too
    if _installed is not None:
        return
    _check()
    for model in (BaseAgent, Agent, Task, Crew):
        undeprecated(model)
    lock_store.set_lock_backend(_no_lock)
    file_store._run_sync = _run_inline  # noqa: SLF001 - see the module's docstring
    Crew.__private_attributes__[
        "_task_output_handler"
    ].default_factory = _NoTaskOutputStore
    vars(crewai_event_bus)["emit"] = _tell_nobody
    stack = ExitStack()
    stack.enter_context(crewai_event_bus.scoped_handlers())
    _installed = stack


def listener_count() -> int:
    """How many listeners the event bus calls; 0 in a server."""
    bus = crewai_event_bus
    return sum(
        len(listeners)
        for registry in (bus._sync_handlers, bus._async_handlers)  # noqa: SLF001 - see the module's docstring
        for listeners in registry.values()
    )
