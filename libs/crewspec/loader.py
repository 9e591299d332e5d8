"""Documents from a directory: every `*.yaml` below it, `kind` decides."""

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from libs.crewspec.diagnostics import Diagnostic, Origin
from libs.crewspec.documents import (
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
from libs.crewspec.names import key_of, resolve
from libs.crewspec.schema import READ_TEXT
from libs.crewspec.yaml_source import SourceDocument, read_yaml

__all__ = [
    "Document",
    "DocumentSet",
    "load_directory",
    "load_objects",
    "load_paths",
    "load_texts",
]

_MAX_BYTES = 800_000
_MAX_FILES = 1_000


@dataclass(frozen=True, slots=True)
class Document[S: Spec]:
    """A parsed document and where it was read.

    `name` is its key: the bare name at home, `namespace/name` elsewhere.
    """

    name: str
    spec: S
    origin: Origin
    namespace: str = ""


@dataclass(slots=True)
class DocumentSet:
    """All documents of one source by kind and name, and what was wrong.

    `home` is the namespace whose documents go by their bare names.
    """

    home: str = ""
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

    def resolve(self, reference: str, document: Document[Any]) -> str:
        """Return the key of what a document means by a reference."""
        return resolve(reference, document.namespace, self.home)

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

    Hidden folders are passed over: a mounted ConfigMap keeps its versions there.
    Mistakes are collected in `diagnostics`, never raised; a directory that is
    missing or holds no document is one.
    """
    loaded = DocumentSet()
    files = _files_below(root)
    if not files:
        loaded.diagnostics.append(_at(root).diagnose((), "no *.yaml below it"))
    if len(files) > _MAX_FILES:
        message = f"more than {_MAX_FILES:,} files: {len(files):,}"
        loaded.diagnostics.append(_at(root).diagnose((), message))
    for file in files[:_MAX_FILES]:
        _load_file(loaded, file)
    return loaded


def load_paths(paths: Iterable[FilePath]) -> DocumentSet:
    """Read files, and directories as `load_directory` does; each file once."""
    loaded, seen = DocumentSet(), set[FilePath]()
    for path in paths:
        files = _files_below(path) if path.is_dir() else [path]
        if not files:
            loaded.diagnostics.append(_at(path).diagnose((), "no *.yaml below it"))
        for file in files:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                _load_file(loaded, file)
    return loaded


def _files_below(root: FilePath) -> list[FilePath]:
    if not root.is_dir():
        return []
    return sorted(
        file
        for file in root.rglob("*.yaml")
        if not any(part.startswith(".") for part in file.relative_to(root).parts)
    )


def _load_file(loaded: DocumentSet, file: FilePath) -> None:
    try:
        text = _read_text(file)
    except ValueError as error:
        loaded.diagnostics.append(_at(file).diagnose((), str(error)))
        return
    if not text.strip():
        # Half written or lost: without it a crew would silently be gone.
        loaded.diagnostics.append(_at(file).diagnose((), "is empty"))
    _load_text(loaded, text, str(file), _reader_beside(file))


def _at(place: FilePath) -> Origin:
    return Origin(file=str(place), lines={})


def _read_text(file: FilePath) -> str:
    """Read a file that is one: a pipe or a device would never end.

    Raises ValueError that says what is wrong with it.
    """
    try:
        told = file.stat()
        if not stat.S_ISREG(told.st_mode):
            raise ValueError("cannot be read: is no file")
        if told.st_size > _MAX_BYTES:
            raise ValueError(f"larger than {_MAX_BYTES:,} bytes")
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        raise ValueError(f"cannot be read: {error}") from error


def load_texts(texts: dict[str, str]) -> DocumentSet:
    """Read documents from texts by file name; prompt files cannot be used."""
    loaded = DocumentSet()
    for file, text in texts.items():
        _load_text(loaded, text, file, None)
    return loaded


def load_objects(objects: Iterable[Mapping[str, Any]], *, home: str) -> DocumentSet:
    """Read documents from custom resources as an API server gives them.

    Of their metadata only name and namespace count. An object's mistakes have its
    `Kind/key` for a file.
    """
    loaded = DocumentSet(home=home)
    for found in objects:
        named, spec = found["metadata"], found.get("spec", {})
        metadata = {"name": named["name"], "namespace": named["namespace"]}
        key = key_of(named["name"], named["namespace"], home)
        data = {
            "apiVersion": found["apiVersion"],
            "kind": found["kind"],
            "metadata": metadata,
            "spec": spec,
        }
        origin = Origin(file=f"{found['kind']}/{key}", lines={})
        _load_document(loaded, SourceDocument(data=data, origin=origin), None)
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
    metadata = envelope.metadata
    name = key_of(metadata.name, metadata.namespace, loaded.home)
    try:
        spec = SPECS[envelope.kind].model_validate(
            envelope.spec, context={READ_TEXT: read_text}
        )
    except ValidationError as error:
        loaded.diagnostics += _told(error, origin, ("spec",))
        loaded.faulty.add((envelope.kind, name))
        return
    documents = loaded.of_kind(envelope.kind)
    if name in documents:
        first = documents[name].origin
        where = f"{first.file}:{first.lines.get((), 1)}"
        message = f"{envelope.kind} {name!r} is already defined in {where}"
        loaded.diagnostics.append(origin.diagnose(("metadata", "name"), message))
        return
    documents[name] = Document(
        name=name, spec=spec, origin=origin, namespace=metadata.namespace
    )


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
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{name!r} cannot be read: {error}") from error
        if not file.is_relative_to(base):
            raise ValueError(f"{name!r} is not below the document's folder")
        try:
            return _read_text(file)
        except ValueError as error:
            raise ValueError(f"{name!r} {error}") from error

    return read_text
