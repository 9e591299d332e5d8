"""The kinds of crew documents: exactly the fields that work.

Field names are camelCase on the outside. Prompt text is written in place or as
`{file: <path>}` beside the document; what is read from a file is as if it had
been written in place.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic.alias_generators import to_camel

from libs.crewspec.compiled import ModelProviderKind, TaskOutput, Trigger

__all__ = [
    "API_VERSION",
    "DEFAULT_MODEL",
    "READ_TEXT",
    "SPECS",
    "AgentSpec",
    "CredentialRef",
    "CrewSpec",
    "Envelope",
    "GuardrailPolicySpec",
    "Kind",
    "Metadata",
    "ModelProviderSpec",
    "Spec",
    "TaskSpec",
    "ToolSpec",
]

API_VERSION: Final = "crew.venturebots.dev/v1alpha1"
DEFAULT_MODEL: Final = "default"
"""The name agents use for the model that is bound at run time."""
READ_TEXT: Final = "read_text"
"""The key of the validation context that holds the reader of prompt files."""


class Kind(StrEnum):
    """What a document describes."""

    MODEL_PROVIDER = "ModelProvider"
    TOOL = "Tool"
    GUARDRAIL_POLICY = "GuardrailPolicy"
    AGENT = "Agent"
    CREW = "Crew"


def _inlined(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, dict):
        return value.strip() if isinstance(value, str) else value
    file = value.get("file")
    if set(value) != {"file"} or not isinstance(file, str):
        raise ValueError("write the text in place or as {file: <path>}")
    read_text: Callable[[str], str] | None = (info.context or {}).get(READ_TEXT)
    if read_text is None:
        raise ValueError("no files can be read here: write the text in place")
    return read_text(file).strip()


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=52)]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=52)]
Line = Annotated[str, Field(pattern=r"^\S([^\r\n]*\S)?$", max_length=200)]
Prompt = Annotated[
    str, BeforeValidator(_inlined), Field(min_length=1, max_length=32_000)
]
Seconds = Annotated[int, Field(strict=True, ge=1, le=3_600)]
Count = Annotated[int, Field(strict=True, ge=1, le=100_000_000)]


class _Schema(BaseModel):
    model_config = ConfigDict(  # type: ignore[pydantic-alias] # only ever parsed
        alias_generator=to_camel, extra="forbid", frozen=True
    )


class CredentialRef(_Schema):
    """Where a key is found: an environment variable or a file, never the key."""

    env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*_(API_KEY|TOKEN)$")] | None = (
        None
    )
    file: Annotated[str, Field(pattern=r"^/", max_length=500)] | None = None


class EnvironmentNames(_Schema):
    """Variables that, when set, take the place of a field."""

    model: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*_MODEL$")] | None = None
    endpoint: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*_BASE_URL$")] | None = None


class ModelProviderSpec(_Schema):
    """A model behind an adapter; integers only, so that every carrier agrees."""

    provider: ModelProviderKind
    model: Line
    endpoint: Annotated[str, Field(max_length=500)] | None = None
    credential_ref: CredentialRef | None = None
    environment: EnvironmentNames = EnvironmentNames()
    temperature_milli: Annotated[int, Field(strict=True, ge=0, le=2_000)] | None = None
    max_output_tokens: Count | None = None
    connect_timeout_seconds: Seconds = 10
    first_token_timeout_seconds: Seconds = 60
    idle_timeout_seconds: Seconds = 30
    total_timeout_seconds: Seconds = 180
    max_retries: Annotated[int, Field(strict=True, ge=0, le=10)] = 2
    max_concurrent: Count | None = None
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    tokens_per_second: Count | None = None


class ToolSpec(_Schema):
    """A registered tool: what the model reads and what a founder reads."""

    builtin: Identifier
    title: Line
    description: Prompt
    timeout_seconds: Seconds = 20


class GuardrailPolicySpec(_Schema):
    """What a run may do at most."""

    run_timeout_seconds: Seconds = 300
    max_tool_calls: Annotated[int, Field(strict=True, ge=0, le=1_000)] = 8
    max_output_characters: Count = 16_000


class AgentSpec(_Schema):
    """Who speaks. No variables here: a founder's words never become a role."""

    role: Line
    goal: Prompt
    backstory: Prompt
    package: Identifier | None = None
    model_ref: Name = DEFAULT_MODEL
    tool_refs: tuple[Name, ...] = ()
    max_iterations: Annotated[int, Field(strict=True, ge=1, le=50)] = 8


class TaskSpec(_Schema):
    """One step of a crew; see `PROMPT_VARIABLES` for what it may mention."""

    name: Name
    title: Line
    description: Prompt
    expected_output: Prompt
    agent: Name
    context: tuple[Name, ...] = ()
    output: TaskOutput = TaskOutput.REPLY
    suggestions: Annotated[bool, Field(strict=True)] = False
    timeout_seconds: Seconds = 120


class CrewSpec(_Schema):
    """Tasks in order, the last of which is the coach's reply."""

    description: Line
    triggers: tuple[Trigger, ...] = ()
    tasks: Annotated[tuple[TaskSpec, ...], Field(min_length=1, max_length=20)]
    guardrail_refs: tuple[Name, ...] = ()


Spec = ModelProviderSpec | ToolSpec | GuardrailPolicySpec | AgentSpec | CrewSpec

SPECS: Final[dict[Kind, type[Spec]]] = {
    Kind.MODEL_PROVIDER: ModelProviderSpec,
    Kind.TOOL: ToolSpec,
    Kind.GUARDRAIL_POLICY: GuardrailPolicySpec,
    Kind.AGENT: AgentSpec,
    Kind.CREW: CrewSpec,
}


class Metadata(_Schema):
    """What a document is called."""

    name: Name


class Envelope(_Schema):
    """What all documents share; the spec is parsed by kind."""

    api_version: Literal["crew.venturebots.dev/v1alpha1"]
    kind: Kind
    metadata: Metadata
    spec: dict[str, object]
