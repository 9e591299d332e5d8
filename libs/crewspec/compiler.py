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
from libs.crewspec.credentials import NO_CREDENTIALS, Credentials
from libs.crewspec.diagnostics import Diagnostic
from libs.crewspec.documents import DEFAULT_MODEL, AgentSpec, TaskSpec
from libs.crewspec.live_documents import (
    compile_model,
    compile_policy,
    compile_tool,
)
from libs.crewspec.loader import DocumentSet
from libs.crewspec.names import namespace_of, resolve
from libs.crewspec.packages import Packages
from libs.crewspec.revision import Revision, revision_digest
from libs.crewspec.validator import validate

__all__ = [
    "Candidate",
    "CompiledSet",
    "InvalidDocumentsError",
    "compile_revision",
    "compile_set",
    "revision_of",
]


class InvalidDocumentsError(Exception):
    """The documents cannot be put in force; `diagnostics` says why."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__("; ".join(str(diagnostic) for diagnostic in diagnostics))
        self.diagnostics = diagnostics


@dataclass(frozen=True, slots=True)
class Candidate:
    """A revision under roll-out and its share of the sessions, in percent."""

    crew: CompiledCrew
    weight: int


@dataclass(frozen=True, slots=True)
class CompiledSet:
    """All crews of one source with the live documents they name.

    `candidates` holds revisions under roll-out, by the name of their crew.

    `removed` holds live documents that were there before, by kind and name: one
    that comes back goes on where it stopped.
    """

    crews: Mapping[str, CompiledCrew] = field(default_factory=dict)
    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    live: LiveDocuments = field(default_factory=LiveDocuments)
    removed: LiveDocuments = field(default_factory=LiveDocuments)


def compile_set(
    documents: DocumentSet,
    *,
    default_model: str,
    environment: Mapping[str, str],
    packages: Packages | None = None,
    credentials: Credentials = NO_CREDENTIALS,
    previous: CompiledSet | None = None,
) -> CompiledSet:
    """Compile valid documents; `default_model` is what agents' `default` means.

    A live document that differs from the last one of its name gets the next
    generation. Raises InvalidDocumentsError when anything is wrong.
    """
    diagnostics = validate(documents, packages)
    models = {
        name: compile_model(
            document,
            environment=environment,
            credentials=credentials,
            diagnostics=diagnostics,
        )
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
    before = _ever_known(previous or CompiledSet())
    tools = {name: compile_tool(document) for name, document in documents.tools.items()}
    policies = {
        name: compile_policy(document) for name, document in documents.policies.items()
    }
    live = LiveDocuments(
        models=_numbered(models, before.models),
        tools=_numbered(tools, before.tools),
        policies=_numbered(policies, before.policies),
    )
    bound = {**live.models, DEFAULT_MODEL: live.models[default_model]}
    return CompiledSet(
        crews={name: _crew(name, documents) for name in documents.crews},
        live=replace(live, models=bound),
        removed=LiveDocuments(
            models=_without(before.models, live.models),
            tools=_without(before.tools, live.tools),
            policies=_without(before.policies, live.policies),
        ),
    )


def _ever_known(previous: CompiledSet) -> LiveDocuments:
    live, removed = previous.live, previous.removed
    own = {name: model for name, model in live.models.items() if name != DEFAULT_MODEL}
    return LiveDocuments(
        models={**removed.models, **own},
        tools={**removed.tools, **live.tools},
        policies={**removed.policies, **live.policies},
    )


def _without[D](before: Mapping[str, D], now: Mapping[str, D]) -> dict[str, D]:
    return {name: document for name, document in before.items() if name not in now}


def revision_of(crew: str, documents: DocumentSet) -> Revision:
    """Gather a valid crew and its agents; agents by the references that name them."""
    document = documents.crews[crew]
    return Revision(
        crew=document.spec,
        agents={
            task.agent: documents.agents[documents.resolve(task.agent, document)].spec
            for task in document.spec.tasks
        },
    )


def compile_revision(name: str, revision: Revision, *, home: str = "") -> CompiledCrew:
    """Compile a revision of the crew of this key.

    The names of models, tools and policies become keys: what a crew names is in its
    namespace, what an agent names in the agent's.
    """
    spec, namespace = revision.crew, namespace_of(name)
    return CompiledCrew(
        name=name,
        description=spec.description,
        digest=revision_digest(spec, revision.agents),
        triggers=frozenset(spec.triggers),
        agents={
            reference: _agent(
                reference, agent, namespace_of(reference) or namespace, home
            )
            for reference, agent in revision.agents.items()
        },
        tasks=tuple(_task(task) for task in spec.tasks),
        policies=tuple(
            resolve(reference, namespace, home) for reference in spec.guardrail_refs
        ),
        summary_prompt=spec.summary_prompt or "",
    )


def _crew(name: str, documents: DocumentSet) -> CompiledCrew:
    return compile_revision(name, revision_of(name, documents), home=documents.home)


def _agent(name: str, spec: AgentSpec, namespace: str, home: str) -> CompiledAgent:
    is_bound = spec.model_ref == DEFAULT_MODEL
    model = spec.model_ref if is_bound else resolve(spec.model_ref, namespace, home)
    return CompiledAgent(
        name=name,
        role=spec.role,
        goal=spec.goal,
        backstory=spec.backstory,
        model=model,
        tools=tuple(resolve(tool, namespace, home) for tool in spec.tool_refs),
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
        output_schema=spec.output_schema,
        output_ref=spec.output_ref,
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
