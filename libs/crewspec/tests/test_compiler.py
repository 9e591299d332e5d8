"""Compiled crews, their digests and the generations of live documents."""

from pathlib import Path

import pytest
import yaml
from pydantic import Field

from libs.crewspec.compiled import LiveDocuments, TaskOutput, Trigger
from libs.crewspec.compiler import CompiledSet, InvalidDocumentsError, compile_set
from libs.crewspec.documents import AgentSpec
from libs.crewspec.loader import load_directory
from libs.crewspec.revision import revision_digest
from libs.crewspec.tests.documents_of import VALID, changed, load

_GOLDEN = "sha256:5f27ae50a2522bc3445b33720e93c31364ecc29f71e7f2c103bf8f2c80062c5f"


def compiled(
    text: str,
    *,
    default_model: str = "simulated",
    environment: dict[str, str] | None = None,
    previous: CompiledSet | None = None,
) -> CompiledSet:
    """Compile documents."""
    return compile_set(
        load(text),
        default_model=default_model,
        environment=environment or {},
        previous=previous,
    )


def digest(text: str) -> str:
    """Compile documents and give their crew's digest."""
    return compiled(text).crews["coaching"].digest


def test_a_crew_is_compiled_with_all_it_needs() -> None:
    crew = compiled(VALID).crews["coaching"]
    assert crew.triggers == {Trigger.MESSAGE}
    assert crew.policies == ("strict",)
    assert crew.agents["coach"].tools == ("lookup",)
    assert crew.agents["coach"].model == "default"
    think, reply = crew.tasks
    assert (think.output, reply.output) == (TaskOutput.INTERNAL, TaskOutput.REPLY)
    assert (reply.context, reply.suggestions) == (("think",), True)


def test_the_digest_of_a_revision_never_changes() -> None:
    assert digest(VALID) == _GOLDEN


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: Agent\n", "kind: Agent # who speaks\n"),
        ("  role: A coach\n  goal: Help\n", "  goal: Help\n  role: A coach\n"),
        ("goal: Help", "goal: |\n    Help\n"),
        ("goal: Help", 'goal: "Help"'),
        ("toolRefs: [lookup]", "toolRefs: [lookup]\n  maxIterations: 8"),
        ("suggestions: true", "suggestions: true\n      output: Reply"),
        ("{maxToolCalls: 2}", "{maxToolCalls: 3}"),
        ("model: coach}", "model: coach, tokensPerSecond: 9}"),
        ("title: Looking it up", "title: Searching"),
    ],
)
def test_form_defaults_and_live_documents_do_not_touch_the_digest(
    old: str, new: str
) -> None:
    assert digest(changed(old, new)) == _GOLDEN


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("goal: Help", "goal: Help more"),
        ("toolRefs: [lookup]", "toolRefs: []"),
        ("toolRefs: [lookup]", "toolRefs: [lookup]\n  maxIterations: 9"),
        ("toolRefs: [lookup]", "toolRefs: [lookup]\n  modelRef: hosted"),
        ("guardrailRefs: [strict]", "guardrailRefs: []"),
        ("description: Answers", "description: Answers well"),
    ],
)
def test_content_and_names_are_in_the_digest(old: str, new: str) -> None:
    assert digest(changed(old, new)) != _GOLDEN


def test_a_prompt_from_a_file_has_the_digest_of_the_prompt_in_place(
    tmp_path: Path,
) -> None:
    (tmp_path / "goal.md").write_text("Help\n", "utf-8")
    text = changed("goal: Help", "goal: {file: goal.md}")
    (tmp_path / "crews.yaml").write_text(text, "utf-8")
    from_file = compile_set(
        load_directory(tmp_path), default_model="simulated", environment={}
    )
    assert from_file.crews["coaching"].digest == _GOLDEN


def test_a_new_field_with_a_default_changes_no_digest() -> None:
    class LaterAgentSpec(AgentSpec):
        """An agent of a later version."""

        mood: str = Field(default="calm")

    documents = load(VALID)
    crew, agent = documents.crews["coaching"].spec, documents.agents["coach"].spec
    later = LaterAgentSpec.model_validate(
        agent.model_dump(by_alias=True, exclude_defaults=True)
    )
    assert revision_digest(crew, {"coach": later}) == _GOLDEN
    moody = later.model_copy(update={"mood": "grim"})
    assert revision_digest(crew, {"coach": moody}) != _GOLDEN


def test_another_order_of_documents_is_the_same_set() -> None:
    documents = list(yaml.safe_load_all(VALID))
    assert digest(yaml.safe_dump_all(reversed(documents))) == _GOLDEN


def test_the_default_model_is_bound_outside_the_digest() -> None:
    simulated = compiled(VALID, default_model="simulated")
    hosted = compiled(VALID, default_model="hosted")
    assert simulated.live.models["default"].name == "simulated"
    assert hosted.live.models["default"].name == "hosted"
    assert simulated.crews == hosted.crews


def test_an_unknown_default_model_is_refused() -> None:
    with pytest.raises(InvalidDocumentsError, match="no ModelProvider 'other'"):
        compiled(VALID, default_model="other")


def test_the_environment_may_replace_model_and_endpoint() -> None:
    environment = {"LLM_MODEL": "large", "LLM_BASE_URL": "http://127.0.0.1:9/v1"}
    model = compiled(VALID, environment=environment).live.models["hosted"]
    assert (model.model, model.endpoint) == ("large", "http://127.0.0.1:9/v1")
    assert model.api_key_env == "LLM_API_KEY"
    with pytest.raises(InvalidDocumentsError, match="LLM_BASE_URL: a key is only"):
        compiled(VALID, environment={"LLM_BASE_URL": "http://10.0.0.1/v1"})


def test_only_changed_live_documents_get_a_new_generation() -> None:
    first = compiled(VALID)
    same = compiled(VALID, previous=first)
    assert same == first
    text = changed("{maxToolCalls: 2}", "{maxToolCalls: 3}")
    second = compiled(text, previous=same)
    assert generations(second.live) == generations(first.live) | {"strict": 2}
    third = compiled(VALID, previous=second)
    assert third.live.policies["strict"].generation == 3


def test_a_document_that_comes_back_goes_on_with_its_generations() -> None:
    first = compiled(VALID)
    second = compiled(changed("{maxToolCalls: 2}", "{maxToolCalls: 3}"), previous=first)
    alone = changed("guardrailRefs: [strict]", "guardrailRefs: []")
    alone = alone.replace("kind: GuardrailPolicy", "kind: Tool").replace(
        "{maxToolCalls: 2}", "{builtin: x, title: x, description: x}"
    )
    without = compiled(alone, previous=second)
    assert without.live.policies == {}
    still_without = compiled(alone, previous=without)
    assert still_without == without
    back = compiled(VALID, previous=still_without)
    assert back.live.policies["strict"].generation == 3
    same = changed("{maxToolCalls: 2}", "{maxToolCalls: 3}")
    unchanged = compiled(same, previous=still_without)
    assert unchanged.live.policies["strict"].generation == 2
    assert back.removed.tools["strict"].generation == 1


def generations(live: LiveDocuments) -> dict[str, int]:
    """List the generations of live documents by name."""
    return {
        **{model.name: model.generation for model in live.models.values()},
        **{tool.name: tool.generation for tool in live.tools.values()},
        **{policy.name: policy.generation for policy in live.policies.values()},
    }
