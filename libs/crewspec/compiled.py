"""What the compiler makes of crew documents: all that a run needs, immutable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from libs.crewspec.output_schema import OutputSchema

__all__ = [
    "BlockedOutput",
    "CompiledAgent",
    "CompiledCrew",
    "CompiledTask",
    "HiddenTextRule",
    "InjectionRule",
    "LiveDocuments",
    "ModelDocument",
    "ModelProviderKind",
    "PolicyDocument",
    "SecretRule",
    "SideEffects",
    "StructuredOutput",
    "TaskOutput",
    "ToolDocument",
    "Trigger",
]


class Trigger(StrEnum):
    """What a crew answers to."""

    OPENING = "Opening"
    MESSAGE = "Message"


class TaskOutput(StrEnum):
    """Where a task's text goes."""

    REPLY = "Reply"
    """Streamed to the founder as the coach's message."""
    INTERNAL = "Internal"
    """Kept for later tasks and for a retry; never shown."""


@dataclass(frozen=True, slots=True)
class CompiledAgent:
    """Who speaks: all prompt text is inlined; models and tools are names."""

    name: str
    role: str
    goal: str
    backstory: str
    model: str
    tools: tuple[str, ...] = ()
    max_iterations: int = 8


@dataclass(frozen=True, slots=True)
class CompiledTask:
    """One step.

    `description` may hold the variables {message}, {summary} and {trigger};
    `context` names earlier tasks whose outputs are put before the model. With
    `output_schema`, or `output_ref` (a schema an agent package registered), the
    answer is JSON that is checked, and repaired once.
    """

    name: str
    title: str
    description: str
    expected_output: str
    agent: str
    context: tuple[str, ...] = ()
    output: TaskOutput = TaskOutput.REPLY
    suggestions: bool = False
    timeout_seconds: int = 120
    output_schema: OutputSchema | None = None
    output_ref: str | None = None


@dataclass(frozen=True, slots=True)
class CompiledCrew:
    """A revision: agents, tasks and all prompt text, under one digest."""

    name: str
    description: str
    digest: str
    triggers: frozenset[Trigger]
    agents: Mapping[str, CompiledAgent]
    tasks: tuple[CompiledTask, ...]
    policies: tuple[str, ...] = ()
    summary_prompt: str = ""
    """How older turns are folded; without it they are left out."""


class ModelProviderKind(StrEnum):
    """The adapters that work."""

    SIMULATED = "Simulated"
    OPENAI_COMPATIBLE = "OpenAICompatible"


class StructuredOutput(StrEnum):
    """What a provider can be told about the shape of an answer."""

    NONE = "None"
    JSON_OBJECT = "JsonObject"
    JSON_SCHEMA = "JsonSchema"


@dataclass(frozen=True, slots=True)
class ModelDocument:
    """A live ModelProvider document; secrets only by reference.

    `api_key_env` names an environment variable, `api_key_file` a file; the key
    is sent to `endpoint` only.
    """

    name: str
    generation: int
    provider: ModelProviderKind
    model: str
    endpoint: str | None = None
    api_key_env: str | None = None
    api_key_file: str | None = None
    temperature_milli: int | None = None
    max_output_tokens: int | None = None
    context_window: int = 16_384
    connect_timeout_seconds: int = 10
    first_token_timeout_seconds: int = 60
    idle_timeout_seconds: int = 30
    total_timeout_seconds: int = 180
    max_retries: int = 2
    max_concurrent: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_second: int = 50
    """Simulated: the pace."""
    structured_output: StructuredOutput = StructuredOutput.NONE


class SideEffects(StrEnum):
    """What calling a tool changes; a probe calls only those that change nothing."""

    NONE = "None"
    IDEMPOTENT = "Idempotent"
    NON_IDEMPOTENT = "NonIdempotent"


@dataclass(frozen=True, slots=True)
class ToolDocument:
    """A live Tool document: a registered tool and what a founder reads."""

    name: str
    generation: int
    builtin: str
    title: str
    description: str
    timeout_seconds: int = 20
    side_effects: SideEffects = SideEffects.NONE


class HiddenTextRule(StrEnum):
    """What happens to characters that are read but not seen."""

    KEEP = "Keep"
    REMOVE = "Remove"


class SecretRule(StrEnum):
    """What happens to keys, passwords and card numbers before a model reads them."""

    KEEP = "Keep"
    MASK = "Mask"


class InjectionRule(StrEnum):
    """What happens when text reads like an order to the model."""

    IGNORE = "Ignore"
    LOG = "Log"
    """Counted and logged by kind, never by its words."""
    REFUSE = "Refuse"
    """A founder's message that holds one ends the run."""


class BlockedOutput(StrEnum):
    """What a reply must not hold, beside denied phrases."""

    SECRETS = "Secrets"
    SYSTEM_PROMPT = "SystemPrompt"


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A live GuardrailPolicy document: the bounds of a run and its rules.

    A limit that is None does not apply.
    """

    name: str
    generation: int
    run_timeout_seconds: int = 300
    max_tool_calls: int = 8
    max_tool_argument_characters: int = 4_000
    max_tool_result_characters: int = 8_000
    max_output_characters: int = 16_000
    max_completion_tokens: int | None = None
    max_call_tokens: int | None = None
    max_input_characters: int | None = None
    hidden_text: HiddenTextRule = HiddenTextRule.KEEP
    secrets: SecretRule = SecretRule.KEEP
    injections: InjectionRule = InjectionRule.IGNORE
    blocked_output: frozenset[BlockedOutput] = frozenset()
    denied_phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveDocuments:
    """Models, tools and policies by name: effective on the next run."""

    models: Mapping[str, ModelDocument] = field(default_factory=dict)
    tools: Mapping[str, ToolDocument] = field(default_factory=dict)
    policies: Mapping[str, PolicyDocument] = field(default_factory=dict)
