"""What is written in a document reaches the model, through the product's engine."""

from collections.abc import AsyncIterator

import pytest

from libs.crewspec.compiler import compile_set
from libs.crewspec.loader import load_texts
from libs.testing.model_server import ModelServer
from services.orchestrator.app import create_engine
from services.orchestrator.config import Config
from services.orchestrator.engine import CrewEngine, RunPlan
from services.orchestrator.errors import StepTimeoutError
from services.orchestrator.tests.crews import DOCUMENTS

# CrewAI reads deprecated fields of its own models while it copies an agent.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

_HOSTED = """\
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: ModelProvider
metadata: {{name: hosted}}
spec:
  provider: OpenAICompatible
  model: small
  endpoint: {endpoint}
  temperatureMilli: 700
  maxOutputTokens: 321
  connectTimeoutSeconds: 1
  maxRetries: 0
  {more}
"""


@pytest.fixture
async def engine() -> AsyncIterator[CrewEngine]:
    """The product's engine."""
    made = create_engine(Config())
    yield made
    await made.aclose()


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    """A model behind HTTP that notes what it is asked."""
    async with ModelServer() as server:
        yield server


def plan_on(endpoint: str, *, more: str = "", run: str = "r1") -> RunPlan:
    """Plan a run of the crew with two steps on a model at an endpoint."""
    text = (
        (DOCUMENTS + _HOSTED.format(endpoint=endpoint, more=more))
        .replace("Note what matters", "'Note {message}'")
        .replace("context: [think]}", "context: [think], timeoutSeconds: 1}")
    )
    documents = compile_set(
        load_texts({"crews.yaml": text}), default_model="hosted", environment={}
    )
    return RunPlan(
        run_id=run,
        session_id="s1",
        founder_ref="f1",
        message="My rent is late.",
        crew=documents.crews["thorough"],
        live=documents.live,
    )


async def test_prompts_tools_and_parameters_reach_the_model(
    engine: CrewEngine, model: ModelServer
) -> None:
    await engine.run(plan_on(model.url), lambda _event: None)
    first, second = (request.body for request in model.requests)
    assert first["model"] == "small"
    assert first["temperature"] == 0.7
    assert 321 in (first.get("max_tokens"), first.get("max_completion_tokens"))
    (tool,) = first["tools"]
    assert "Explain one" in tool["function"]["description"]
    said = str(first["messages"])
    for text in ("A coach", "Help one founder", "You have helped many."):
        assert text in said
    assert "Note My rent is late." in said
    assert "Notes" in said
    assert "Answer the founder" in str(second["messages"])
    # The tokens of the first answer are the context of the second step.
    assert model.requests[0].text in str(second["messages"])


@pytest.mark.parametrize("more", ["requestsPerMinute: 1", "tokensPerMinute: 1"])
async def test_a_rate_holds_back_what_goes_beyond_it(
    engine: CrewEngine, model: ModelServer, more: str
) -> None:
    plan = plan_on(model.url, more=more)
    with pytest.raises(StepTimeoutError):
        await engine.run(plan, lambda _event: None)
    assert len(model.requests) == 1
