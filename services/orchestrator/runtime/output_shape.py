"""Steps whose answer is data: asked for, read, and told what is wrong with it."""

import json
from dataclasses import dataclass
from typing import Any, Final, assert_never

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from libs.crewspec.compiled import CompiledTask, StructuredOutput
from libs.crewspec.output_schema import OutputSchema
from services.agents.registry import installed_outputs
from services.orchestrator.errors import OutputInvalidError, RunFailedError

__all__ = ["OutputShape", "repair_request", "shape_of"]

_FENCE: Final = "```"
_MAX_PROBLEMS: Final = 10
_MAX_ANSWER: Final = 200_000


@dataclass(frozen=True, slots=True)
class OutputShape:
    """What a step must answer with."""

    name: str
    schema: OutputSchema | type[BaseModel]

    def json_schema(self) -> dict[str, Any]:
        """The shape as JSON Schema."""
        if isinstance(self.schema, OutputSchema):
            return self.schema.as_json_schema()
        return self.schema.model_json_schema()

    def request(self) -> str:
        """What the task's text says of it to the model."""
        schema = json.dumps(self.json_schema(), ensure_ascii=False)
        return (
            "\n\nAnswer with one JSON value that fits this JSON Schema, and with"
            f" nothing else: no explanation, no code fence.\n{schema}"
        )

    def response_format(self, known: StructuredOutput) -> dict[str, Any] | None:
        """What a provider that knows of such things is told; None for others."""
        match known:
            case StructuredOutput.NONE:
                return None
            case StructuredOutput.JSON_OBJECT:
                return {"type": "json_object"}
            case StructuredOutput.JSON_SCHEMA:
                schema = {"name": self.name, "schema": self.json_schema()}
                return {"type": "json_schema", "json_schema": schema}
            case _:
                assert_never(known)

    def read(self, answer: str) -> str:
        """Read an answer into canonical JSON.

        Raises:
            OutputInvalidError: It is no JSON, or does not fit; says why.

        """
        value = _parsed(answer)
        if isinstance(self.schema, OutputSchema):
            if problems := self.schema.problems(value):
                raise OutputInvalidError("; ".join(problems))
            return json.dumps(value, ensure_ascii=False, sort_keys=True)
        try:
            fitting = self.schema.model_validate_json(json.dumps(value))
        except ValidationError as error:
            problems = [
                f"$.{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
                for problem in error.errors(include_url=False, include_input=False)
            ]
            raise OutputInvalidError("; ".join(problems[:_MAX_PROBLEMS])) from error
        return fitting.model_dump_json()


def shape_of(task: CompiledTask) -> OutputShape | None:
    """The shape a task asks for, if it asks for one.

    Raises:
        RunFailedError: It names one that no agent package offers.

    """
    if task.output_schema is not None:
        return OutputShape(task.name.replace("-", "_"), task.output_schema)
    if task.output_ref is None:
        return None
    registered = installed_outputs().get(task.output_ref)
    if registered is None:
        raise RunFailedError(f"no agent package offers {task.output_ref!r}")
    return OutputShape(registered.name, registered.model)


def repair_request(problem: OutputInvalidError) -> str:
    """What a model is told of an answer that does not fit."""
    return (
        f"Your answer does not fit the JSON Schema: {problem.detail}. Answer again"
        " with the corrected JSON value and nothing else."
    )


def _parsed(answer: str) -> object:
    text = answer.strip()
    if len(text) > _MAX_ANSWER:
        raise OutputInvalidError(f"$: longer than {_MAX_ANSWER} characters")
    candidates = [text]
    _, opening, fenced = text.partition(_FENCE)
    if opening:
        _, _, fenced = fenced.partition("\n")
        candidates.append(fenced.partition(_FENCE)[0])
    first, last = text.find("{"), text.rfind("}")
    if 0 <= first < last:
        candidates.append(text[first : last + 1])
    problem = ""
    for candidate in candidates:
        try:
            value: object = from_json(candidate, allow_inf_nan=False)
        except ValueError as error:
            problem = problem or str(error)
        else:
            return value
    raise OutputInvalidError(f"$: is no JSON: {problem}")
