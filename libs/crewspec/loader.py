"""Documents from a directory: every `*.yaml` below it, `kind` decides."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from libs.crewspec.diagnostics import Diagnostic, Origin
from libs.crewspec.documents import (
    READ_TEXT,
    SPECS,
    AgentSpec,
    CrewSpec,
    Envelope,
    GuardrailPolicySpec,
    Kind,
    ModelProviderSpec,
    Spec,
    ToolSpec,
)
from libs.crewspec.yaml_source import SourceDocument, read_yaml

__all__ = ["Document", "DocumentSet", "load_directory", "load_texts"]

_MAX_PROMPT_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Document[S: Spec]:
    """A parsed document and where it was read."""

    name: str
    spec: S
    origin: Origin


@dataclass(slots=True)
class DocumentSet:
    """All documents of one source by kind and name, and what was wrong."""

    models: dict[str, Document[ModelProviderSpec]] = field(default_factory=dict)
    tools: dict[str, Document[ToolSpec]] = field(default_factory=dict)
    policies: dict[str, Document[GuardrailPolicySpec]] = field(default_factory=dict)
    agents: dict[str, Document[AgentSpec]] = field(default_factory=dict)
    crews: dict[str, Document[CrewSpec]] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    faulty: set[tuple[Kind, str]] = field(default_factory=set)

    def declares(self, kind: Kind, name: str) -> bool:
        """Tell whether there is such a document, even if its spec is wrong."""
        return name in self.of_kind(kind) or (kind, name) in self.faulty

    def of_kind(self, kind: Kind) -> dict[str, Document[Any]]:
        """Return the documents of one kind."""
        documents: dict[Kind, dict[str, Document[Any]]] = {
            Kind.MODEL_PROVIDER: self.models,
            Kind.TOOL: self.tools,
            Kind.GUARDRAIL_POLICY: self.policies,
            Kind.AGENT: self.agents,
            Kind.CREW: self.crews,
        }
        return documents[kind]


def load_directory(root: FilePath) -> DocumentSet:
    """Read every `*.yaml` below a directory, in the order of their paths.

    Mistakes are collected in `diagnostics`, never raised; a directory that is
    missing or holds no document is one.
    """
    loaded = DocumentSet()
    files = sorted(root.rglob("*.yaml")) if root.is_dir() else []
    if not files:
        nowhere = Origin(file=str(root), lines={})
        loaded.diagnostics.append(nowhere.diagnose((), "no *.yaml below it"))
    for file in files:
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            origin = Origin(file=str(file), lines={})
            loaded.diagnostics.append(origin.diagnose((), f"cannot be read: {error}"))
            continue
        _load_text(loaded, text, str(file), _reader_beside(file))
    return loaded


def load_texts(texts: dict[str, str]) -> DocumentSet:
    """Read documents from texts by file name; prompt files cannot be used."""
    loaded = DocumentSet()
    for file, text in texts.items():
        _load_text(loaded, text, file, None)
    return loaded


def _load_text(
    loaded: DocumentSet,
    text: str,
    file: str,
    read_text: Callable[[str], str] | None,
) -> None:
    sources, diagnostics = read_yaml(text, file)
    loaded.diagnostics += diagnostics
    for source in sources:
        _load_document(loaded, source, read_text)


def _load_document(
    loaded: DocumentSet,
    source: SourceDocument,
    read_text: Callable[[str], str] | None,
) -> None:
    origin = source.origin
    if not isinstance(source.data, dict):
        loaded.diagnostics.append(origin.diagnose((), "must be a mapping"))
        return
    try:
        envelope = Envelope.model_validate(source.data)
    except ValidationError as error:
        loaded.diagnostics += _told(error, origin, ())
        return
    try:
        spec = SPECS[envelope.kind].model_validate(
            envelope.spec, context={READ_TEXT: read_text}
        )
    except ValidationError as error:
        loaded.diagnostics += _told(error, origin, ("spec",))
        loaded.faulty.add((envelope.kind, envelope.metadata.name))
        return
    documents = loaded.of_kind(envelope.kind)
    name = envelope.metadata.name
    if name in documents:
        first = documents[name].origin
        where = f"{first.file}:{first.lines.get((), 1)}"
        message = f"{envelope.kind} {name!r} is already defined in {where}"
        loaded.diagnostics.append(origin.diagnose(("metadata", "name"), message))
        return
    documents[name] = Document(name=name, spec=spec, origin=origin)


def _told(
    error: ValidationError, origin: Origin, parent: tuple[str | int, ...]
) -> Iterator[Diagnostic]:
    for detail in error.errors(include_url=False, include_input=False):
        match detail["type"]:
            case "extra_forbidden":
                message = "unknown field"
            case "missing":
                message = "is required"
            case _:
                message = detail["msg"].removeprefix("Value error, ")
        yield origin.diagnose((*parent, *detail["loc"]), message)


def _reader_beside(document: FilePath) -> Callable[[str], str]:
    base = document.parent.resolve()

    def read_text(name: str) -> str:
        try:
            file = (base / name).resolve()
            if not file.is_relative_to(base):
                raise ValueError(f"{name!r} is not below the document's folder")
            if file.stat().st_size > _MAX_PROMPT_BYTES:
                raise ValueError(f"{name!r} is larger than {_MAX_PROMPT_BYTES:,} bytes")
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{name!r} cannot be read: {error}") from error

    return read_text
