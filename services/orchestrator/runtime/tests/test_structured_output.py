"""Steps that answer with data: asked, checked, repaired once, else failed."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.crewspec.compiled import CompiledTask, StructuredOutput
from libs.crewspec.compiler import compile_set
from libs.crewspec.loader import load_texts
from libs.crewspec.output_schema import OutputSchema
from libs.crewspec.packages import read_packages
from services import agents
from services.agents.registry import installed_outputs
from services.orchestrator.engine import (
    CrewEngine,
    EndStatus,
    MessageStarted,
    RunPlan,
    StepFinished,
    UsageTold,
)
from services.orchestrator.errors import OutputInvalidError
from services.orchestrator.guardrails import GuardrailRule
from services.orchestrator.runtime.llm.simulation.example import example_of
from services.orchestrator.runtime.output_shape import OutputShape
from services.orchestrator.runtime.tests.plans import Recorder
from services.orchestrator.runtime.tests.rules_heard import hearing_rules
from services.orchestrator.runtime.tests.scripted_model import Reply, ScriptedModel

_DOCUMENTS = """\
apiVersion: crew.venturebots.dev/v1alpha1
kind: ModelProvider
metadata: {{name: simulated}}
spec: {{provider: Simulated, model: coach, tokensPerSecond: 100000}}
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: ModelProvider
metadata: {{name: hosted}}
spec:
  provider: OpenAICompatible
  model: small
  endpoint: {endpoint}
  structuredOutput: {structured}
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: Agent
metadata: {{name: coach}}
spec: {{role: A coach, goal: Help one founder, backstory: You have helped many.}}
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: Crew
metadata: {{name: listening}}
spec:
  description: Takes notes, weighs them, then answers
  triggers: [Message]
  tasks:
    - name: notes
      title: Taking notes
      description: "Note what this says of the founder's pain: {{message}}"
      expectedOutput: Notes
      agent: coach
      output: Internal
      outputRef: pain_notes
    - name: weigh
      title: Weighing it
      description: Weigh the pain.
      expectedOutput: A mark
      agent: coach
      output: Internal
      context: [notes]
      outputSchema:
        type: object
        required: [urgency, reasons]
        properties:
          urgency: {{type: integer, minimum: 1, maximum: 5}}
          reasons:
            type: array
            minItems: 1
            maxItems: 3
            items: {{type: string, minLength: 3, maxLength: 200}}
    - name: reply
      title: Writing
      description: Answer the founder.
      expectedOutput: A reply
      agent: coach
      context: [notes, weigh]
"""
_NOTES = {"pain": "Notes get lost", "known": ["description"]}
_MARK = {"urgency": 4, "reasons": ["Every week"]}
_HELLO = Reply(pieces=("Hello ", "Maya."))


def _says(value: object) -> Reply:
    """The value as JSON, in pieces."""
    text = value if isinstance(value, str) else json.dumps(value)
    return Reply(pieces=tuple(text[i : i + 7] for i in range(0, len(text), 7)))


def _plan(
    endpoint: str = "http://127.0.0.1:9/v1",
    *,
    structured: str = "None",
    model: str = "hosted",
) -> RunPlan:
    """Plan a run of the crew above, compiled as the product does."""
    text = _DOCUMENTS.format(endpoint=endpoint, structured=structured)
    compiled = compile_set(
        load_texts({"crews.yaml": text}),
        default_model=model,
        environment={},
        packages=read_packages(Path(agents.__path__[0])),
    )
    return RunPlan(
        run_id="r1",
        session_id="s1",
        founder_ref="f1",
        message="I lose my lecture notes every week.",
        crew=compiled.crews["listening"],
        live=compiled.live,
    )


def _endpoint(server: ScriptedModel) -> str:
    return str(server.document().endpoint)


async def test_the_simulated_model_answers_in_the_shapes_it_is_asked_for(
    engine: CrewEngine,
) -> None:
    record = Recorder()
    await engine.run(_plan(model="simulated"), record)
    notes, mark, reply = record.of(StepFinished)
    assert json.loads(notes.output) == {
        "pain": json.loads(notes.output)["pain"],
        "known": [],
        "severity": None,
    }
    assert json.loads(mark.output)["urgency"] == 1
    assert record.text == reply.output
    assert len(record.of(MessageStarted)) == 1


async def test_checked_data_goes_to_the_steps_that_follow(engine: CrewEngine) -> None:
    record = Recorder()
    async with ScriptedModel(_says(_NOTES), _says(_MARK), _HELLO) as server:
        await engine.run(_plan(_endpoint(server)), record)
    notes, mark, _ = record.of(StepFinished)
    assert json.loads(notes.output) == {**_NOTES, "severity": None}
    assert json.loads(mark.output) == _MARK
    asked = str(server.requests[0]["messages"])
    assert "fits this JSON Schema" in asked
    assert "Fields the founder has answered" in asked
    assert "Notes get lost" in str(server.requests[1]["messages"])
    assert '"urgency": 4' in server.requests[2]["messages"][0]["content"]
    assert record.text == "Hello Maya."


@pytest.mark.parametrize(
    ("structured", "kind"),
    [("None", None), ("JsonObject", "json_object"), ("JsonSchema", "json_schema")],
)
async def test_a_provider_is_told_as_much_of_the_shape_as_it_knows(
    engine: CrewEngine, structured: str, kind: str | None
) -> None:
    async with ScriptedModel(_says(_NOTES), _says(_MARK), _HELLO) as server:
        await engine.run(_plan(_endpoint(server), structured=structured), Recorder())
    formats = [request.get("response_format") for request in server.requests]
    assert [known and known["type"] for known in formats] == [kind, kind, None]
    if kind == "json_schema":
        told = server.requests[1]["response_format"]["json_schema"]
        schema = told["schema"]
        assert told["name"] == "weigh"
        assert schema["required"] == ["urgency", "reasons"]
        assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("I would say it is urgent.", "is no JSON"),
        ({"urgency": 9, "reasons": ["Every week"]}, "$.urgency: must be at most 5"),
        ({"urgency": True, "reasons": ["Every week"]}, "$.urgency: must be of type"),
        ({"urgency": 4}, "$.reasons: is required"),
        ({**_MARK, "mood": "sad"}, "$.mood: unknown property"),
        ("[" * 5_000, "is no JSON"),
        ('{"urgency": NaN}', "is no JSON"),
    ],
)
async def test_an_answer_that_does_not_fit_is_repaired_once(
    engine: CrewEngine, wrong: object, told: str
) -> None:
    record = Recorder()
    replies = (_says(_NOTES), _says(wrong), _says(_MARK), _HELLO)
    async with ScriptedModel(*replies) as server:
        with hearing_rules() as heard:
            await engine.run(_plan(_endpoint(server)), record)
    assert len(server.requests) == 4
    *_, answer, request = server.requests[2]["messages"]
    assert answer["role"] == "assistant"
    assert told in request["content"]
    assert json.loads(record.of(StepFinished)[1].output) == _MARK
    assert [(rule.rule, rule.kind) for rule in heard] == [
        (GuardrailRule.REPAIR, "weigh")
    ]
    assert record.text == "Hello Maya."


async def test_a_second_misfit_fails_the_step_and_what_was_finished_stays(
    engine: CrewEngine,
) -> None:
    record = Recorder()
    replies = (_says(_NOTES), _says("no"), _says("no again"), _HELLO)
    async with ScriptedModel(*replies) as server:
        with pytest.raises(OutputInvalidError) as caught:
            await engine.run(_plan(_endpoint(server)), record)
    assert (caught.value.code, caught.value.retryable) == ("output_invalid", True)
    assert len(server.requests) == 3
    assert [step.status for step in record.of(StepFinished)] == [
        EndStatus.COMPLETE,
        EndStatus.FAILED,
    ]
    assert len(record.of(UsageTold)) == 3
    assert record.text == ""
    assert record.unfinished == set()


_WEIGH = OutputShape(
    "weigh",
    OutputSchema.model_validate(
        {
            "type": "object",
            "required": ["urgency"],
            "properties": {"urgency": {"type": "integer"}},
        }
    ),
)


@pytest.mark.parametrize(
    "answer",
    [
        '{"urgency": 4}',
        '\n {"urgency": 4}\n',
        '```json\n{"urgency": 4}\n```',
        '```\n{"urgency": 4}```',
        'Here it is:\n```json\n{"urgency": 4}\n```\nI hope it helps.',
        'The answer is {"urgency": 4}.',
    ],
)
def test_fences_and_words_around_an_answer_are_tolerated(answer: str) -> None:
    assert _WEIGH.read(answer) == '{"urgency": 4}'


@given(st.text(alphabet='{}[]",:0123456789`json\n eE+-.\\utrufalsn', max_size=200))
@settings(max_examples=200, deadline=None)
def test_whatever_is_answered_it_fits_or_the_misfit_is_told(answer: str) -> None:
    with suppress(OutputInvalidError):
        assert isinstance(json.loads(_WEIGH.read(answer))["urgency"], int)


def _schemas() -> Iterator[dict[str, Any]]:
    for output in installed_outputs().values():
        yield output.model.model_json_schema()
    yield {
        "type": "object",
        "required": ["name", "tags", "share", "ok", "kind"],
        "properties": {
            "name": {"type": "string", "minLength": 30, "maxLength": 40},
            "tags": {"type": "array", "minItems": 2, "items": {"type": "string"}},
            "share": {"type": "number", "minimum": 0, "maximum": 1},
            "ok": {"type": "boolean"},
            "kind": {"type": "string", "enum": ["a", "b"]},
            "more": {"type": "object"},
        },
    }


def test_the_simulated_models_data_fits_any_schema_there_is() -> None:
    *registered, inline = _schemas()
    assert OutputSchema.model_validate(inline).problems(example_of(inline, "")) == []
    for output, schema in zip(installed_outputs().values(), registered, strict=True):
        output.model.model_validate(example_of(schema, "a pain"))


def test_a_task_knows_its_shape_and_nothing_else_does() -> None:
    task: CompiledTask = _plan(model="simulated").crew.tasks[2]
    assert (task.output_schema, task.output_ref) == (None, None)
    shape = OutputShape("x", OutputSchema.model_validate({"type": "boolean"}))
    assert shape.response_format(StructuredOutput.NONE) is None
