"""CrewAI is the one we know, set up for a server."""

import asyncio
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from libs.crewspec.compiled import PolicyDocument
from services.orchestrator.engine import CrewEngine, RunPlan
from services.orchestrator.runtime import compat, environment
from services.orchestrator.runtime.crew_builder import build_crew
from services.orchestrator.runtime.llm.openai_compatible import OpenAICompatibleLLM
from services.orchestrator.runtime.policies.input_rules import CleanTexts, InputRules
from services.orchestrator.runtime.policies.limits import Budget
from services.orchestrator.runtime.policies.tool_calls import data_of
from services.orchestrator.runtime.scope import RunScope, current_run
from services.orchestrator.runtime.tests.plans import Recorder, make_plan, tool_document
from services.orchestrator.runtime.tests.scripted_model import (
    Reply,
    ScriptedModel,
    call_of,
)
from services.orchestrator.runtime.tool_pool import ToolPool

_ROOT = Path(__file__).parents[4]

_PORT_ONLY = """
import sys
import services.orchestrator.engine, services.orchestrator.runtime.crew_engine
raise SystemExit("crewai" in sys.modules)
"""

_WHOLE_LIFE = """
import asyncio, dataclasses, json, signal, sys, threading, warnings

connects = []
sys.addaudithook(
    lambda name, args: name == "socket.connect" and connects.append(str(args[1]))
)
signals = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
warn = warnings.warn

from services.orchestrator.runtime.crew_engine import create_engine
from services.orchestrator.runtime.warm_up import warm_up_plan

async def live():
    engine = create_engine(salt="tests")
    await engine.warm_up()
    plan = warm_up_plan()
    for number in range(5):
        await engine.run(dataclasses.replace(plan, run_id=str(number)), lambda _: None)
    await engine.aclose()

asyncio.run(live())
import os
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(5)
from services.orchestrator.runtime.compat import listener_count
print(json.dumps({
    "connects": connects,
    "listeners": listener_count(),
    "has_own_signals": signals != [
        signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    ],
    "has_own_warn": warnings.warn is not warn,
    "read_dotenv": "FROM_DOTENV" in os.environ,
    "threads": threading.active_count(),
}))
"""


def _run(code: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(_ROOT), str(_ROOT / "protos" / "gen")))
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CREWAI", "XDG_", "PYTHON_DOTENV"))
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=home,
        env={**kept, "HOME": str(home), "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_the_port_does_not_import_crewai(tmp_path: Path) -> None:
    assert _run(_PORT_ONLY, tmp_path).returncode == 0


def test_a_process_leaves_no_file_and_no_connection_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".env").write_text("FROM_DOTENV=1\n")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    ended = _run(
        _WHOLE_LIFE,
        home,
        TMPDIR=str(temporary),
        REDIS_URL="redis://127.0.0.1:1/0",
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told == {
        "connects": [],
        "listeners": 0,
        "has_own_signals": False,
        "has_own_warn": False,
        "read_dotenv": False,
        "threads": 1,
    }
    files = {path.name for path in home.rglob("*") if path.is_file()}
    assert files == {".env", "secret.key"}
    assert list(temporary.rglob("*")) == []


@pytest.fixture
def fresh_install(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As if `install` had not been called yet."""
    monkeypatch.setattr(compat, "_installed", None)
    return monkeypatch


def test_another_version_is_refused(fresh_install: pytest.MonkeyPatch) -> None:
    fresh_install.setattr("crewai.__version__", "1.16.0")
    with pytest.raises(compat.IncompatibleCrewAIError, match=r"1\.16\.0"):
        compat.install()


def test_a_name_that_moved_is_told(fresh_install: pytest.MonkeyPatch) -> None:
    fresh_install.delattr(compat.AgentExecutor, "_execute_single_native_tool_call")
    with pytest.raises(
        compat.IncompatibleCrewAIError, match="_execute_single_native_tool_call"
    ):
        compat.install()


def test_a_variable_that_was_changed_is_told(
    fresh_install: pytest.MonkeyPatch,
) -> None:
    fresh_install.setenv("CREWAI_TRACING_ENABLED", "true")
    with pytest.raises(compat.IncompatibleCrewAIError, match="CREWAI_TRACING_ENABLED"):
        compat.install()


def test_the_import_leaves_warnings_alone() -> None:
    before = warnings.warn
    with environment.quiet_import():
        warnings.warn = print  # type: ignore[assignment] # what crewai does
    assert warnings.warn is before


@pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute")
async def test_the_stock_executor_gives_the_same_answer(engine: CrewEngine) -> None:
    """What an upgrade must not change: prompt, tool protocol and answer."""
    script = (
        Reply(tool_calls=(call_of("explain_framework", topic="pain"),)),
        Reply(pieces=("Study ", "the lock.")),
    )
    tools = (tool_document("explain-framework"),)
    async with ScriptedModel(*script) as ours, ScriptedModel(*script) as stock:
        record = Recorder()
        await engine.run(make_plan(ours.document(), tools=tools, message=None), record)
        llm = OpenAICompatibleLLM(stock.document())
        plan = make_plan(stock.document(), tools=tools, message=None)
        token = current_run.set(_scope_for_threads(plan))
        try:
            crew = build_crew(
                plan, lambda _name: llm, executor_class=compat.AgentExecutor
            )
            answer = await crew.akickoff()
        finally:
            current_run.reset(token)
            await llm.aclose()
    assert str(answer) == record.text == "Study the lock."
    assert len(ours.requests) == len(stock.requests) == 2
    for our_request, stock_request in zip(ours.requests, stock.requests, strict=True):
        assert our_request["tools"] == stock_request["tools"]
        assert _essence(our_request) == _essence(stock_request)


async def test_a_crew_can_be_run_from_a_thread(engine: CrewEngine) -> None:
    """What delegation does: the executor is asked where no loop runs."""
    del engine  # only sets the process up
    async with ScriptedModel(Reply(pieces=("Study ", "the lock."))) as server:
        llm = OpenAICompatibleLLM(server.document())
        plan = make_plan(server.document())
        token = current_run.set(_scope_for_threads(plan))
        try:
            crew = build_crew(plan, lambda _name: llm)
            answer = await asyncio.to_thread(crew.kickoff)
        finally:
            current_run.reset(token)
            await llm.aclose()
    assert str(answer) == "Study the lock."
    assert len(server.requests) == 1


def _scope_for_threads(plan: RunPlan) -> RunScope:
    """What lets calls from the stock executor's threads find the loop."""
    policy = PolicyDocument(name="none", generation=0)
    return RunScope(
        plan=plan,
        emit=Recorder(),
        loop=asyncio.get_running_loop(),
        tool_pool=ToolPool(1),
        budget=Budget(policy),
        input_rules=InputRules(policy, CleanTexts()),
    )


def _essence(request: dict[str, Any]) -> list[tuple[str, str]]:
    """Roles and texts, without white space at the ends and the mark on data."""
    return [
        (message["role"], data_of(str(message["content"] or "")).strip())
        for message in request["messages"]
    ]
