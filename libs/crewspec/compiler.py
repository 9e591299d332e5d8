"""From valid documents to what runs need."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from libs.crewspec.compiled import (
    CompiledAgent,
    CompiledCrew,
    CompiledTask,
    LiveDocuments,
    ModelDocument,
    PolicyDocument,
    ToolDocument,
)
from libs.crewspec.diagnostics import Diagnostic
from libs.crewspec.digest import revision_digest
from libs.crewspec.documents import (
    DEFAULT_MODEL,
    AgentSpec,
    CrewSpec,
    GuardrailPolicySpec,
    ModelProviderSpec,
    TaskSpec,
    ToolSpec,
)
from libs.crewspec.loader import Document, DocumentSet
from libs.crewspec.packages import PackageTools
from libs.crewspec.validator import endpoint_problem, validate

__all__ = ["CompiledSet", "InvalidDocumentsError", "compile_set"]


class InvalidDocumentsError(Exception):
    """The documents cannot be put in force; `diagnostics` says why."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__("; ".join(str(diagnostic) for diagnostic in diagnostics))
        self.diagnostics = diagnostics


@dataclass(frozen=True, slots=True)
class CompiledSet:
    """All crews of one source with the live documents they name."""

    crews: Mapping[str, CompiledCrew] = field(default_factory=dict)
    live: LiveDocuments = field(default_factory=LiveDocuments)


def compile_set(
    documents: DocumentSet,
    *,
    default_model: str,
    environment: Mapping[str, str],
    packages: PackageTools | None = None,
    previous: CompiledSet | None = None,
) -> CompiledSet:
    """Compile valid documents; `default_model` is what agents' `default` means.

    A live document that differs from the previous set's gets the next
    generation. Raises InvalidDocumentsError when anything is wrong.
    """
    diagnostics = validate(documents, packages)
    models = {
        name: _model(document, environment, diagnostics)
        for name, document in documents.models.items()
    }
    if default_model not in models:
        known = ", ".join(sorted(models)) or "none"
        message = (
            f"no ModelProvider {default_model!r} to be the default; known: {known}"
        )
        diagnostics.append(Diagnostic("environment", 1, "$", message))
    if diagnostics:
        raise InvalidDocumentsError(diagnostics)
    before = previous.live if previous else LiveDocuments()
    tools = {name: _tool(document) for name, document in documents.tools.items()}
    policies = {
        name: _policy(document) for name, document in documents.policies.items()
    }
    live = LiveDocuments(
        models=_numbered(models, before.models),
        tools=_numbered(tools, before.tools),
        policies=_numbered(policies, before.policies),
    )
    bound = {**live.models, DEFAULT_MODEL: live.models[default_model]}
    agents = {name: document.spec for name, document in documents.agents.items()}
    return CompiledSet(
        crews={
            name: _crew(document, agents) for name, document in documents.crews.items()
        },
        live=replace(live, models=bound),
    )


def _crew(
    document: Document[CrewSpec], agents: Mapping[str, AgentSpec]
) -> CompiledCrew:
    spec = document.spec
    used = {task.agent: agents[task.agent] for task in spec.tasks}
    return CompiledCrew(
        name=document.name,
        description=spec.description,
        digest=revision_digest(spec, used),
        triggers=frozenset(spec.triggers),
        agents={name: _agent(name, agent) for name, agent in used.items()},
        tasks=tuple(_task(task) for task in spec.tasks),
        policies=spec.guardrail_refs,
    )


def _agent(name: str, spec: AgentSpec) -> CompiledAgent:
    return CompiledAgent(
        name=name,
        role=spec.role,
        goal=spec.goal,
        backstory=spec.backstory,
        model=spec.model_ref,
        tools=spec.tool_refs,
        max_iterations=spec.max_iterations,
    )


def _task(spec: TaskSpec) -> CompiledTask:
    return CompiledTask(
        name=spec.name,
        title=spec.title,
        description=spec.description,
        expected_output=spec.expected_output,
        agent=spec.agent,
        context=spec.context,
        output=spec.output,
        suggestions=spec.suggestions,
        timeout_seconds=spec.timeout_seconds,
    )


def _model(
    document: Document[ModelProviderSpec],
    environment: Mapping[str, str],
    diagnostics: list[Diagnostic],
) -> ModelDocument:
    spec = document.spec
    names, credential = spec.environment, spec.credential_ref
    endpoint = (names.endpoint and environment.get(names.endpoint)) or spec.endpoint
    if endpoint and endpoint != spec.endpoint:
        has_credential = credential is not None
        if problem := endpoint_problem(endpoint, has_credential=has_credential):
            path = ("spec", "environment", "endpoint")
            message = f"{names.endpoint}: {problem}"
            diagnostics.append(document.origin.diagnose(path, message))
    compiled = ModelDocument(
        name=document.name,
        generation=1,
        provider=spec.provider,
        model=(names.model and environment.get(names.model)) or spec.model,
        endpoint=endpoint,
        api_key_env=credential.env if credential else None,
        api_key_file=credential.file if credential else None,
        temperature_milli=spec.temperature_milli,
        max_output_tokens=spec.max_output_tokens,
        connect_timeout_seconds=spec.connect_timeout_seconds,
        first_token_timeout_seconds=spec.first_token_timeout_seconds,
        idle_timeout_seconds=spec.idle_timeout_seconds,
        total_timeout_seconds=spec.total_timeout_seconds,
        max_retries=spec.max_retries,
        max_concurrent=spec.max_concurrent,
        requests_per_minute=spec.requests_per_minute,
        tokens_per_minute=spec.tokens_per_minute,
    )
    if spec.tokens_per_second is None:
        return compiled
    return replace(compiled, tokens_per_second=spec.tokens_per_second)


def _tool(document: Document[ToolSpec]) -> ToolDocument:
    spec = document.spec
    return ToolDocument(
        name=document.name,
        generation=1,
        builtin=spec.builtin,
        title=spec.title,
        description=spec.description,
        timeout_seconds=spec.timeout_seconds,
    )


def _policy(document: Document[GuardrailPolicySpec]) -> PolicyDocument:
    spec = document.spec
    return PolicyDocument(
        name=document.name,
        generation=1,
        run_timeout_seconds=spec.run_timeout_seconds,
        max_tool_calls=spec.max_tool_calls,
        max_output_characters=spec.max_output_characters,
    )


def _numbered[D: (ModelDocument, ToolDocument, PolicyDocument)](
    current: Mapping[str, D], previous: Mapping[str, D]
) -> dict[str, D]:
    numbered: dict[str, D] = {}
    for name, document in current.items():
        before = previous.get(name)
        if before is None:
            numbered[name] = document
            continue
        same = replace(document, generation=before.generation)
        is_changed = same != before
        generation = before.generation + is_changed
        numbered[name] = replace(document, generation=generation)
    return numbered
