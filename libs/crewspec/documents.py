"""The kinds of crew documents: exactly the fields that work.

Field names are camelCase on the outside. Prompt text is written in place or as
`{file: <path>}` beside the document; what is read from a file is as if it had
been written in place.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal, assert_never

from pydantic import Field

from libs.crewspec.compiled import (
    BlockedOutput,
    HiddenTextRule,
    InjectionRule,
    ModelProviderKind,
    SecretRule,
    SideEffects,
    StructuredOutput,
    TaskOutput,
    Trigger,
)
from libs.crewspec.output_schema import OutputSchema
from libs.crewspec.rollout import Rollout
from libs.crewspec.schema import (
    Count,
    Identifier,
    Line,
    Name,
    Prompt,
    Reference,
    Schema,
    Seconds,
)

__all__ = [
    "API_VERSION",
    "DEFAULT_MODEL",
    "SPECS",
    "AgentSpec",
    "AllowedNamespaces",
    "Consent",
    "CredentialRef",
    "CrewSpec",
    "Envelope",
    "EnvironmentNames",
    "GuardrailPolicySpec",
    "Kind",
    "Metadata",
    "ModelProviderSpec",
    "SecretRef",
    "SharedSpec",
    "Spec",
    "TaskSpec",
    "ToolSpec",
]

API_VERSION: Final = "crew.venturebots.dev/v1alpha1"
DEFAULT_MODEL: Final = "default"
"""The name agents use for the model that is bound at run time."""


class Kind(StrEnum):
    """What a document describes."""

    MODEL_PROVIDER = "ModelProvider"
    TOOL = "Tool"
    GUARDRAIL_POLICY = "GuardrailPolicy"
    AGENT = "Agent"
    CREW = "Crew"


DeniedPhrase = Annotated[
    str, Field(pattern=r"^\S(?:[^\r\n]*\S)?$", min_length=3, max_length=100)
]
Namespace = Annotated[
    str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
]


class Consent(StrEnum):
    """Which namespaces a document can be used from."""

    SAME = "Same"
    ALL = "All"
    NAMED = "Named"


class AllowedNamespaces(Schema):
    """Who may use a document besides its own namespace."""

    from_: Annotated[Consent, Field(alias="from")] = Consent.SAME
    """Same (its own namespace only, the default), All, or Named."""
    names: Annotated[tuple[Namespace, ...], Field(max_length=100)] = ()
    """The namespaces that `from: Named` lets in, besides its own."""

    def permits(self, namespace: str, *, own: str) -> bool:
        """Tell whether a document of a namespace may use one of namespace `own`."""
        match self.from_:
            case Consent.ALL:
                return True
            case Consent.NAMED:
                return namespace == own or namespace in self.names
            case Consent.SAME:
                return namespace == own
            case _:
                assert_never(self.from_)


class SharedSpec(Schema):
    """What documents of other kinds refer to."""

    allowed_namespaces: AllowedNamespaces = AllowedNamespaces()
    """Which namespaces may name it; its own alone when nothing is said."""


class SecretRef(Schema):
    """A key of a Secret, declared in the chart's `credentials`."""

    name: Annotated[
        str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)
    ]
    """The Secret's name, in the namespace of the release."""
    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]
    """The key of the Secret's data."""


class CredentialRef(Schema):
    """Where a key is found, never the key: a variable, a file or a Secret."""

    env: (
        Annotated[
            str, Field(pattern=r"^[A-Z][A-Z0-9_]*_(API_KEY|TOKEN)$", max_length=100)
        ]
        | None
    ) = None
    """A variable of the orchestrator's environment; on a laptop only."""
    file: Annotated[str, Field(pattern=r"^/", max_length=500)] | None = None
    """The path of a file that holds the key; on a laptop only."""
    secret: SecretRef | None = None
    """A key of a Secret that the chart's value `global.credentials` declares, with the
    hosts it may be sent to."""


class EnvironmentNames(Schema):
    """Variables that, when set, take the place of a field."""

    model: (
        Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*_MODEL$", max_length=100)] | None
    ) = None
    """The variable that replaces `model`."""
    endpoint: (
        Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*_BASE_URL$", max_length=100)]
        | None
    ) = None
    """The variable that replaces `endpoint`."""


class ModelProviderSpec(SharedSpec):
    """A model behind an adapter; integers only, so that every carrier agrees.

    A change counts for the next run, under the same revision of a crew.
    """

    provider: ModelProviderKind
    """The adapter: OpenAICompatible speaks to any server of that protocol, Simulated
    needs neither key nor network."""
    model: Line
    """The model's name at the provider."""
    endpoint: Annotated[str, Field(max_length=500)] | None = None
    """The base URL of an OpenAICompatible provider, such as https://llm.example/v1. A
    public address, unless the platform opened others."""
    credential_ref: CredentialRef | None = None
    """Where the key is found; it is sent to `endpoint` only, encrypted."""
    environment: EnvironmentNames = EnvironmentNames()
    """Variables of the orchestrator that replace fields of this document."""
    temperature_milli: Annotated[int, Field(strict=True, ge=0, le=2_000)] | None = None
    """Thousandths of the sampling temperature: 700 means 0.7. The provider's own when
    nothing is said."""
    max_output_tokens: Count | None = None
    """The longest answer. The provider's own bound when nothing is said."""
    context_window: Annotated[int, Field(strict=True, ge=1_024, le=100_000_000)] = (
        16_384
    )
    """Tokens of prompt and answer together; older turns are folded to fit. 16384 when
    nothing is said."""
    connect_timeout_seconds: Seconds = 10
    """To reach the provider; 10 when nothing is said."""
    first_token_timeout_seconds: Seconds = 60
    """From the request to the first token; 60 when nothing is said."""
    idle_timeout_seconds: Seconds = 30
    """Between two tokens; 30 when nothing is said."""
    total_timeout_seconds: Seconds = 180
    """For one whole answer; 180 when nothing is said."""
    max_retries: Annotated[int, Field(strict=True, ge=0, le=10)] = 2
    """Further attempts, before the first token only; 2 when nothing is said."""
    max_concurrent: Count | None = None
    """Calls at once, per orchestrator; unbounded when nothing is said."""
    requests_per_minute: Count | None = None
    """Calls per minute, per orchestrator; unbounded when nothing is said."""
    tokens_per_minute: Count | None = None
    """Tokens per minute, per orchestrator; unbounded when nothing is said."""
    tokens_per_second: Count | None = None
    """The pace of a Simulated model; 50 when nothing is said."""
    structured_output: StructuredOutput = StructuredOutput.NONE
    """What the provider can be told of an answer's shape: None (the default),
    JsonObject or JsonSchema."""


class ToolSpec(SharedSpec):
    """A registered tool: what the model reads and what a founder reads.

    A change counts for the next run, under the same revision of a crew.
    """

    builtin: Identifier
    """The name under which an agent package offers it."""
    title: Line
    """What a founder reads while it works."""
    description: Prompt
    """What the model reads: when to call it, and what comes back."""
    timeout_seconds: Seconds = 20
    """For one call; 20 when nothing is said."""
    side_effects: SideEffects = SideEffects.NONE
    """What calling it changes: None (the default), Idempotent or NonIdempotent. Probes
    call only tools that change nothing."""


class GuardrailPolicySpec(SharedSpec):
    """What a run may do at most, and what is done to what goes in and comes out.

    Of several policies the strictest counts, field by field. A change counts for the
    next run, under the same revision of a crew.
    """

    run_timeout_seconds: Seconds = 300
    """For a whole run; 300 when nothing is said."""
    max_tool_calls: Annotated[int, Field(strict=True, ge=0, le=1_000)] = 8
    """Per run; then the model has to answer without. 8 when nothing is said."""
    max_tool_argument_characters: Count = 4_000
    """Of the arguments of one call; 4000 when nothing is said."""
    max_tool_result_characters: Count = 8_000
    """That a model reads of one result; 8000 when nothing is said."""
    max_output_characters: Count = 16_000
    """Of a reply; 16000 when nothing is said."""
    max_completion_tokens: Count | None = None
    """That models write in a run, all calls together; unbounded when nothing is
    said."""
    max_call_tokens: Count | None = None
    """That a model writes in one call; unbounded when nothing is said."""
    max_input_characters: Count | None = None
    """Of a founder's message; a longer one is refused before any model is asked.
    Unbounded when nothing is said."""
    hidden_text: HiddenTextRule = HiddenTextRule.KEEP
    """Keep (the default) or Remove characters that are read but not seen."""
    secrets: SecretRule = SecretRule.KEEP
    """Keep (the default) or Mask keys, passwords and card numbers before a model reads
    them."""
    injections: InjectionRule = InjectionRule.IGNORE
    """Ignore (the default) text that reads like an order to the model, Log it by kind,
    or Refuse a message that holds some."""
    blocked_output: Annotated[tuple[BlockedOutput, ...], Field(max_length=2)] = ()
    """What a reply must not hold: Secrets, or the agents' own instructions
    (SystemPrompt)."""
    denied_phrases: Annotated[tuple[DeniedPhrase, ...], Field(max_length=200)] = ()
    """Whole words that a reply must not hold, in any letter case."""


class AgentSpec(SharedSpec):
    """Who speaks. No variables here: a founder's words never become a role.

    A change makes a new revision of every crew that names the agent.
    """

    role: Line
    """Who it is, in one line."""
    goal: Prompt
    """What it is after."""
    backstory: Prompt
    """What it knows, how it speaks, what it never does."""
    package: Identifier | None = None
    """The agent package that its tools must come from."""
    model_ref: Reference = DEFAULT_MODEL
    """The ModelProvider that answers: `name`, or `namespace/name` with that
    namespace's consent. The default, `default`, is bound by the platform."""
    tool_refs: Annotated[tuple[Reference, ...], Field(max_length=50)] = ()
    """Tools that it may call, each `name` or `namespace/name`."""
    max_iterations: Annotated[int, Field(strict=True, ge=1, le=50)] = 8
    """Calls of the model per step; 8 when nothing is said."""


class TaskSpec(Schema):
    """One step of a crew."""

    name: Name
    """What other tasks call it; unique in the crew."""
    title: Line
    """What a founder reads while it is worked on."""
    description: Prompt
    """What to do. It may mention {message}, {summary} and {trigger}; a crew that
    answers Opening has no {message}."""
    expected_output: Prompt
    """What a good result looks like; no variables."""
    agent: Reference
    """The Agent that does it: `name`, or `namespace/name` with that namespace's
    consent."""
    context: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    """Earlier tasks whose results it sees."""
    output: TaskOutput = TaskOutput.REPLY
    """Reply (the default) is streamed to the founder: the last task, and no other.
    Internal is kept for later tasks."""
    suggestions: Annotated[bool, Field(strict=True)] = False
    """Offer the founder replies to click, under the Reply."""
    timeout_seconds: Seconds = 120
    """For this step; 120 when nothing is said."""
    output_schema: OutputSchema | None = None
    """The JSON that an Internal task must answer with, in a small part of JSON Schema:
    type, description, properties, required, items, enum, minLength, maxLength,
    minItems, maxItems, minimum, maximum, at most 8 deep. The operator checks what is
    below `type`."""
    output_ref: Identifier | None = None
    """The same, by the name of a schema that an agent package offers."""


class CrewSpec(Schema):
    """Tasks in order, the last of which is the coach's reply.

    A change of anything but rollout, paused and revisionHistoryLimit makes a new
    revision.
    """

    description: Line
    """What the crew is for, in one line."""
    triggers: Annotated[tuple[Trigger, ...], Field(max_length=2)] = ()
    """What it answers: Message (a founder's words), Opening (a session begins). One
    crew answers each."""
    tasks: Annotated[tuple[TaskSpec, ...], Field(min_length=1, max_length=20)]
    """Steps in their order; the last is the Reply."""
    guardrail_refs: Annotated[tuple[Reference, ...], Field(max_length=20)] = ()
    """The GuardrailPolicies that bound its runs, each `name` or `namespace/name`."""
    summary_prompt: Prompt | None = None
    """How older turns are folded when room is tight; without it they are left out."""
    rollout: Rollout = Rollout()
    """How a new revision reaches founders."""
    paused: Annotated[bool, Field(strict=True)] = False
    """A roll-out stays where it is until this is false again; what is served stays
    served."""
    revision_history_limit: Annotated[int, Field(strict=True, ge=0, le=100)] = 10
    """How many revisions are kept besides those in use; 10 when nothing is said."""


Spec = ModelProviderSpec | ToolSpec | GuardrailPolicySpec | AgentSpec | CrewSpec

SPECS: Final[dict[Kind, type[Spec]]] = {
    Kind.MODEL_PROVIDER: ModelProviderSpec,
    Kind.TOOL: ToolSpec,
    Kind.GUARDRAIL_POLICY: GuardrailPolicySpec,
    Kind.AGENT: AgentSpec,
    Kind.CREW: CrewSpec,
}


class Metadata(Schema):
    """What a document is called; labels and annotations mean nothing here."""

    name: Name
    namespace: Namespace = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Envelope(Schema):
    """What all documents share; the spec is parsed by kind."""

    api_version: Literal["crew.venturebots.dev/v1alpha1"]
    kind: Kind
    metadata: Metadata
    spec: dict[str, object]
