"""YAML to plain data that remembers its line numbers.

Anchors, aliases, merge keys, duplicate keys and keys that are not text are
refused: a document says what it says, once.
"""

from dataclasses import dataclass, field

import yaml

from libs.crewspec.diagnostics import Diagnostic, Origin, Path

__all__ = ["SourceDocument", "read_yaml"]

_MAX_CHARACTERS = 200_000
_MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """One document of a file as plain data."""

    data: object
    origin: Origin


def read_yaml(text: str, file: str) -> tuple[list[SourceDocument], list[Diagnostic]]:
    """Read all documents of a text; a text that is no YAML gives a diagnostic."""
    whole = Origin(file=file, lines={})
    if len(text) > _MAX_CHARACTERS:
        return [], [whole.diagnose((), f"longer than {_MAX_CHARACTERS:,} characters")]
    documents: list[SourceDocument] = []
    diagnostics: list[Diagnostic] = []
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        while loader.check_node():
            reader = _NodeReader(loader, file)
            data = reader.read(loader.get_node(), ())
            diagnostics += reader.diagnostics
            if data is not None:
                documents.append(SourceDocument(data=data, origin=reader.origin))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        at = Origin(file=file, lines={(): line})
        diagnostics.append(at.diagnose((), f"not YAML: {error.problem}"))
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        diagnostics.append(whole.diagnose((), f"not YAML: {error}"))
    except RecursionError:
        diagnostics.append(whole.diagnose((), "nested too deeply"))
    finally:
        if loader is not None:
            loader.dispose()
    return documents, diagnostics


@dataclass(slots=True)
class _NodeReader:
    """Reads one document's nodes, noting each place's line."""

    loader: yaml.SafeLoader
    file: str
    lines: dict[Path, int] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    @property
    def origin(self) -> Origin:
        """Where the document is."""
        return Origin(file=self.file, lines=self.lines)

    def read(self, node: yaml.Node | None, path: Path) -> object:
        """Return the node's plain value."""
        if node is None:
            return None
        self.lines.setdefault(path, node.start_mark.line + 1)
        if len(path) > _MAX_DEPTH:
            self._refuse(path[:1], "nested too deeply")
            return None
        # An alias is the very node its anchor named: following it could take
        # for ever.
        if id(node) in self.seen:
            self._refuse(path, "aliases are not allowed: repeat the value")
            return None
        self.seen.add(id(node))
        match node:
            case yaml.MappingNode(tag="tag:yaml.org,2002:map"):
                return self._mapping(node, path)
            case yaml.SequenceNode(tag="tag:yaml.org,2002:seq"):
                return [
                    self.read(item, (*path, index))
                    for index, item in enumerate(node.value)
                ]
            case yaml.ScalarNode():
                return self._scalar(node, path)
            case _:
                self._refuse(path, f"the tag {node.tag} is not allowed")
                return None

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> object:
        value: object = self.loader.construct_object(node)
        if not isinstance(value, str):
            return value
        try:
            return _joined(value)
        except UnicodeDecodeError:
            self._refuse(path, "holds half a character, which is no text")
            return ascii(value)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        mapping: dict[str, object] = {}
        for key_node, value_node in node.value:
            is_text = key_node.tag == "tag:yaml.org,2002:str"
            if not is_text or not _is_text(key_node.value):
                at = (*path, ascii(key_node.value)[:40])
                self.lines.setdefault(at, key_node.start_mark.line + 1)
                self._refuse(at, "a key must be plain text")
                continue
            place = (*path, key_node.value)
            if key_node.value in mapping:
                self.lines[place] = key_node.start_mark.line + 1
                self._refuse(place, "is given twice")
                continue
            self.lines[place] = key_node.start_mark.line + 1
            mapping[key_node.value] = self.read(value_node, place)
        return mapping

    def _refuse(self, path: Path, message: str) -> None:
        self.diagnostics.append(self.origin.diagnose(path, message))


def _joined(text: str) -> str:
    """Join the halves of characters that JSON writes as two escapes.

    Raises UnicodeDecodeError when a half stands alone.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)
