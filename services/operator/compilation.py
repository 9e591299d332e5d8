"""From resources to the revision they make, or to what is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from libs.crewspec.compiler import revision_of
from libs.crewspec.diagnostics import Diagnostic, Reason
from libs.crewspec.documents import CrewSpec, Kind, ModelProviderSpec
from libs.crewspec.live_documents import compile_model
from libs.crewspec.loader import Document, DocumentSet, load_objects
from libs.crewspec.names import key_of
from libs.crewspec.revision import digest_of, revision_content
from libs.crewspec.status import ConditionReason, Source
from libs.crewspec.validator import validate
from services.operator.observed import Observed, Settings

__all__ = [
    "Compilation",
    "Findings",
    "NewestRevision",
    "Secrets",
    "compile_crew",
    "find_mistakes",
]

Secrets = Mapping[tuple[str, str, str], str | None]
"""resourceVersions by (namespace, Secret, key); None where there is no such key."""

_MAX_CONTENT_BYTES: Final = 900_000
_MAX_TOLD: Final = 5
_MAX_MESSAGE: Final = 1_000
_OF_REFERENCES: Final = {
    Reason.INVALID_REFERENCE,
    Reason.REFERENCE_NOT_PERMITTED,
    Reason.SECRET_NOT_FOUND,
}


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a document: with itself, and with what it names.

    `is_read` is False when its spec cannot be read, so that what it names is not
    known. `own_reason` and `named_reason` are empty when nothing is wrong.
    """

    own_reason: str = ""
    own_message: str = ""
    named_reason: str = ""
    named_message: str = ""
    is_read: bool = True

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.own_reason and not self.named_reason


@dataclass(frozen=True, slots=True)
class NewestRevision:
    """What the crew and its agents say now."""

    digest: str
    content: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Compilation:
    """A crew's spec, None when it cannot be read, and its revision, None when wrong."""

    findings: Findings
    spec: CrewSpec | None = None
    newest: NewestRevision | None = None


def compile_crew(observed: Observed, settings: Settings) -> Compilation:
    """Compile a crew with what it names; mistakes are found, never raised."""
    crew = observed.crew
    documents, findings = find_mistakes(
        crew.manifest,
        observed.documents,
        settings=settings,
        secrets=observed.secrets,
        taken_triggers=observed.taken_triggers,
    )
    read = documents.crews.get(crew.key)
    if read is None or not findings.is_clean:
        return Compilation(findings=findings, spec=read.spec if read else None)
    revision = revision_of(crew.key, documents)
    content = revision_content(revision.crew, revision.agents)
    if len(content) > _MAX_CONTENT_BYTES:
        message = (
            f"the crew and its agents have {len(content):,} bytes; at most"
            f" {_MAX_CONTENT_BYTES:,} can be kept"
        )
        too_large = Findings(ConditionReason.TOO_LARGE, message)
        return Compilation(findings=too_large, spec=read.spec)
    agents = {documents.resolve(task.agent, read) for task in read.spec.tasks}
    newest = NewestRevision(
        digest=digest_of(content),
        content=content.decode(),
        sources=_sources(crew.manifest, observed.documents, agents, settings.home),
    )
    return Compilation(findings=findings, spec=read.spec, newest=newest)


def find_mistakes(
    manifest: Mapping[str, Any],
    named: Sequence[Mapping[str, Any]],
    *,
    settings: Settings,
    secrets: Secrets,
    taken_triggers: Mapping[str, str] | None = None,
) -> tuple[DocumentSet, Findings]:
    """Read a document with those it names and judge it; the first of them is it."""
    documents = load_objects([manifest, *named], home=settings.home)
    found = validate(documents, settings.packages)
    for model in documents.models.values():
        found += _credential_mistakes(model, settings, secrets)
    for crew in documents.crews.values():
        found += _taken_triggers(crew, taken_triggers or {})
    metadata = manifest["metadata"]
    key = key_of(metadata["name"], metadata["namespace"], settings.home)
    kind = Kind(manifest["kind"])
    file = f"{kind}/{key}"
    is_read = key in documents.of_kind(kind)
    return documents, _sorted_findings(found, file, is_read=is_read)


def _credential_mistakes(
    model: Document[ModelProviderSpec], settings: Settings, secrets: Secrets
) -> Iterator[Diagnostic]:
    reference = model.spec.credential_ref
    secret = reference.secret if reference else None
    path = ("spec", "credentialRef", "secret")
    if secret and model.namespace not in {"", settings.home}:
        message = (
            f"keys come from Secrets of namespace {settings.home!r} alone, for models"
            " of that namespace"
        )
        yield model.origin.diagnose(path, message, Reason.SECRET_NOT_FOUND)
        return
    found: list[Diagnostic] = []
    compile_model(
        model,
        environment={},
        credentials=replace(settings.credentials, allows_local=False),
        diagnostics=found,
    )
    yield from found
    if not secret or found:
        return
    if secrets.get((settings.home, secret.name, secret.key)) is None:
        message = (
            f"no Secret {secret.name!r} with key {secret.key!r} in namespace"
            f" {settings.home!r}"
        )
        yield model.origin.diagnose(path, message, Reason.SECRET_NOT_FOUND)


def _taken_triggers(
    crew: Document[CrewSpec], taken: Mapping[str, str]
) -> Iterator[Diagnostic]:
    for index, trigger in enumerate(crew.spec.triggers):
        if trigger.value in taken:
            first = taken[trigger.value]
            message = f"{trigger.value} is already answered by crew {first!r}"
            path = ("spec", "triggers", index)
            yield crew.origin.diagnose(path, message, Reason.TRIGGER_CONFLICT)


def _sorted_findings(
    found: Iterable[Diagnostic], file: str, *, is_read: bool
) -> Findings:
    own: list[Diagnostic] = []
    named: list[Diagnostic] = []
    for diagnostic in found:
        is_own = diagnostic.file == file and diagnostic.reason not in _OF_REFERENCES
        (own if is_own else named).append(diagnostic)
    named_reason = ""
    if named:
        first = named[0].reason
        is_foreign = first not in _OF_REFERENCES
        named_reason = Reason.INVALID_REFERENCE if is_foreign else first
    return Findings(
        own_reason=own[0].reason if own else "",
        own_message=_told(own, file),
        named_reason=named_reason,
        named_message=_told(named, file),
        is_read=is_read,
    )


def _told(diagnostics: Sequence[Diagnostic], file: str) -> str:
    """Tell the first few mistakes, each with its place."""
    told = [
        f"{found.pointer}: {found.message}"
        if found.file == file
        else f"{found.file} {found.pointer}: {found.message}"
        for found in diagnostics[:_MAX_TOLD]
    ]
    if len(diagnostics) > _MAX_TOLD:
        told.append(f"and {len(diagnostics) - _MAX_TOLD} more")
    message = "; ".join(told)
    is_long = len(message) > _MAX_MESSAGE
    return message[: _MAX_MESSAGE - 1] + "…" if is_long else message


def _sources(
    crew: Mapping[str, Any],
    documents: Sequence[Mapping[str, Any]],
    agents: set[str],
    home: str,
) -> tuple[Source, ...]:
    """Name the crew and its agents, as they are at this moment."""
    used = [
        found
        for found in documents
        if found["kind"] == Kind.AGENT
        and key_of(found["metadata"]["name"], found["metadata"]["namespace"], home)
        in agents
    ]
    return tuple(
        Source(
            kind=found["kind"],
            namespace=found["metadata"]["namespace"],
            name=found["metadata"]["name"],
            uid=found["metadata"].get("uid", ""),
            generation=found["metadata"].get("generation", 0),
        )
        for found in [crew, *used]
    )
