"""From what the operator told to what is served, as far as it can be.

Whatever cannot be put in force is refused by name, and the rest is put in force: a
refused revision leaves the one its crew was served by, a refused document its last
good one.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, assert_never

from pydantic import ValidationError

from libs.crewspec.compiled import (
    CompiledCrew,
    LiveDocuments,
    ModelDocument,
    PolicyDocument,
    ToolDocument,
)
from libs.crewspec.compiler import Candidate, CompiledSet, compile_revision
from libs.crewspec.credentials import Credentials
from libs.crewspec.diagnostics import Origin
from libs.crewspec.documents import (
    DEFAULT_MODEL,
    SPECS,
    GuardrailPolicySpec,
    Kind,
    ModelProviderSpec,
    ToolSpec,
)
from libs.crewspec.live_documents import compile_model, compile_policy, compile_tool
from libs.crewspec.loader import Document, DocumentSet
from libs.crewspec.names import namespace_of
from libs.crewspec.packages import Packages
from libs.crewspec.revision import read_revision
from libs.crewspec.validator import validate
from services.orchestrator.crews.told import (
    Assignment,
    DocumentKey,
    Refusal,
    RevisionKey,
    Told,
    ToldDocument,
    ToldRevision,
)

__all__ = ["InForce", "LoadedDocument", "LoadedRevision", "SetCompiler"]

_MAX_DETAIL: Final = 1_000

type _Compiled = ModelDocument | ToolDocument | PolicyDocument


@dataclass(frozen=True, slots=True)
class LoadedRevision:
    """A revision as it was told and as runs take it."""

    told: ToldRevision
    compiled: CompiledCrew


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """A live document as it was told and as runs take it."""

    told: ToldDocument
    compiled: _Compiled


@dataclass(frozen=True, slots=True)
class InForce:
    """What is served, beside what it was made of.

    `weights` are those of the candidates, in percent.
    """

    home: str = ""
    stable: Mapping[str, LoadedRevision] = field(default_factory=dict)
    candidates: Mapping[str, LoadedRevision] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)
    documents: Mapping[DocumentKey, LoadedDocument] = field(default_factory=dict)
    compiled: CompiledSet = field(default_factory=CompiledSet)

    @property
    def revisions(self) -> Mapping[RevisionKey, LoadedRevision]:
        """All revisions that are in force."""
        loaded = (*self.stable.values(), *self.candidates.values())
        return {revision.told.key: revision for revision in loaded}


class _RefusedError(Exception):
    """Why something cannot be put in force."""


class SetCompiler:
    """Makes what is served; keys stay where they are, only their places are read."""

    def __init__(
        self,
        *,
        default_model: str,
        environment: Mapping[str, str],
        credentials: Credentials,
        packages: Packages,
    ) -> None:
        self._default = (Kind.MODEL_PROVIDER.value, default_model)
        self._environment = environment
        self._credentials = credentials
        self._packages = packages

    def put(self, told: Told, before: InForce) -> tuple[InForce, tuple[Refusal, ...]]:
        """Return what is in force once all that was told is, and what is refused."""
        refusals: list[Refusal] = []
        documents = dict(self._documents(told, before, refusals))
        revisions = self._revisions(told, before, documents, refusals)
        stable: dict[str, LoadedRevision] = {}
        candidates: dict[str, LoadedRevision] = {}
        for crew, assignment in told.assignments.items():
            trusted = revisions.get((crew, assignment.stable_digest))
            if trusted is None and assignment.stable_digest:
                trusted = before.stable.get(crew)
            if trusted is not None:
                stable[crew] = trusted
            candidate = revisions.get((crew, assignment.candidate_digest))
            if candidate is not None:
                candidates[crew] = candidate
        served = InForce(
            home=told.home,
            stable=stable,
            candidates=candidates,
            weights={
                crew: min(told.assignments[crew].candidate_weight, 100)
                for crew in candidates
            },
        )
        kept = self._with_named(served, documents, before)
        served = replace(served, documents=kept)
        return replace(served, compiled=self._compiled(served)), tuple(refusals)

    def _documents(
        self, told: Told, before: InForce, refusals: list[Refusal]
    ) -> Iterator[tuple[DocumentKey, LoadedDocument]]:
        for key, document in told.documents.items():
            last = before.documents.get(key)
            if last is not None and last.told == document and told.home == before.home:
                yield key, last
                continue
            try:
                yield key, LoadedDocument(document, self._load(document, told.home))
            except _RefusedError as error:
                detail = str(error)[:_MAX_DETAIL]
                refusals.append(Refusal(detail, document="/".join(key)))
                if last is not None:
                    yield key, last

    def _load(self, told: ToldDocument, home: str) -> _Compiled:
        kind = next((kind for kind in Kind if kind.value == told.kind), None)
        if kind is None or kind in {Kind.AGENT, Kind.CREW}:
            raise _RefusedError(f"{told.kind!r} is no kind of live document")
        try:
            spec = SPECS[kind].model_validate(json.loads(told.spec))
        except ValidationError as error:
            raise _RefusedError(_told(error)) from error
        except (ValueError, RecursionError) as error:
            raise _RefusedError("its spec is no JSON") from error
        document: Document[Any] = Document(
            name=told.name,
            spec=spec,
            origin=Origin(file=f"{told.kind}/{told.name}", lines={}),
            namespace=namespace_of(told.name) or home,
        )
        documents = DocumentSet(home=home)
        documents.of_kind(kind)[told.name] = document
        diagnostics = validate(documents, self._packages)
        compiled: _Compiled
        match spec:
            case ModelProviderSpec():
                compiled = compile_model(
                    document,
                    environment=self._environment,
                    credentials=self._credentials,
                    diagnostics=diagnostics,
                )
            case ToolSpec():
                compiled = compile_tool(document)
            case GuardrailPolicySpec():
                compiled = compile_policy(document)
            case _:
                raise AssertionError(f"{kind} was refused above")
        if diagnostics:
            found = (f"{one.pointer}: {one.message}" for one in diagnostics)
            raise _RefusedError("; ".join(found))
        return replace(compiled, generation=told.generation)

    def _revisions(
        self,
        told: Told,
        before: InForce,
        documents: Mapping[DocumentKey, LoadedDocument],
        refusals: list[Refusal],
    ) -> dict[RevisionKey, LoadedRevision]:
        found: dict[RevisionKey, LoadedRevision] = {}
        in_force = before.revisions if told.home == before.home else {}
        for assignment in told.assignments.values():
            for key in _keys(assignment):
                try:
                    # What is in force stays: its documents are kept as long as it is.
                    found[key] = in_force.get(key) or self._revision(
                        key, told, documents
                    )
                except _RefusedError as error:
                    crew, digest = key
                    detail = str(error)[:_MAX_DETAIL]
                    refusals.append(Refusal(detail, crew=crew, digest=digest))
        return found

    def _revision(
        self,
        key: RevisionKey,
        told: Told,
        documents: Mapping[DocumentKey, LoadedDocument],
    ) -> LoadedRevision:
        revision = told.revisions.get(key)
        if revision is None:
            raise _RefusedError("its content was not told")
        self._check_packages(revision)
        try:
            read = read_revision(revision.content, revision.digest)
            compiled = compile_revision(revision.crew, read, home=told.home)
        except (ValueError, RecursionError) as error:
            raise _RefusedError(str(error)) from error
        if compiled.digest != revision.digest:
            raise _RefusedError("its content is not canonical")
        _check_tasks(compiled)
        for kind, name in self._named(compiled):
            if (kind, name) not in documents:
                is_default = (kind, name) == self._default
                hint = ", which is to be the default" if is_default else ""
                raise _RefusedError(f"no {kind} {name!r} is in force{hint}")
        return LoadedRevision(revision, compiled)

    def _check_packages(self, revision: ToldRevision) -> None:
        for name, digest in revision.packages.items():
            installed = self._packages.get(name)
            if installed is None:
                raise _RefusedError(f"no agent package {name!r} is installed")
            if installed.digest != digest:
                raise _RefusedError(
                    f"needs agent package {name!r} as {digest or 'unknown'};"
                    f" installed is {installed.digest}"
                )

    def _named(self, crew: CompiledCrew) -> Iterator[DocumentKey]:
        for agent in crew.agents.values():
            is_bound = agent.model == DEFAULT_MODEL
            yield self._default if is_bound else (Kind.MODEL_PROVIDER, agent.model)
            for tool in agent.tools:
                yield Kind.TOOL, tool
        for policy in crew.policies:
            yield Kind.GUARDRAIL_POLICY, policy

    def _with_named(
        self,
        served: InForce,
        documents: Mapping[DocumentKey, LoadedDocument],
        before: InForce,
    ) -> Mapping[DocumentKey, LoadedDocument]:
        """The documents, and those that are gone while what is served names them."""
        kept = dict(documents)
        for revision in served.revisions.values():
            for key in self._named(revision.compiled):
                if key not in kept and key in before.documents:
                    kept[key] = before.documents[key]
        return kept

    def _compiled(self, served: InForce) -> CompiledSet:
        models: dict[str, ModelDocument] = {}
        tools: dict[str, ToolDocument] = {}
        policies: dict[str, PolicyDocument] = {}
        for loaded in served.documents.values():
            match loaded.compiled:
                case ModelDocument() as model:
                    models[model.name] = model
                case ToolDocument() as tool:
                    tools[tool.name] = tool
                case PolicyDocument() as policy:
                    policies[policy.name] = policy
                case _:
                    assert_never(loaded.compiled)
        if self._default[1] in models:
            models[DEFAULT_MODEL] = models[self._default[1]]
        return CompiledSet(
            crews={crew: loaded.compiled for crew, loaded in served.stable.items()},
            candidates={
                crew: Candidate(loaded.compiled, served.weights[crew])
                for crew, loaded in served.candidates.items()
            },
            live=LiveDocuments(models=models, tools=tools, policies=policies),
        )


def _keys(assignment: Assignment) -> dict[RevisionKey, None]:
    return {(assignment.crew, digest): None for digest in assignment.digests}


def _check_tasks(crew: CompiledCrew) -> None:
    """Refuse what would end every run: not every file is the operator's."""
    earlier: set[str] = set()
    for task in crew.tasks:
        if task.agent not in crew.agents:
            raise _RefusedError(f"task {task.name!r} has no agent {task.agent!r}")
        if not earlier.issuperset(task.context):
            raise _RefusedError(f"task {task.name!r} names no earlier task")
        earlier.add(task.name)


def _told(error: ValidationError) -> str:
    return "; ".join(
        f"$.spec{''.join(f'.{part}' for part in found['loc'])}: {found['msg']}"
        for found in error.errors(include_url=False, include_input=False)
    )
