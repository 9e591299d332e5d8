"""Custom resources as they are kept: what decisions rest on, and little memory."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from libs.crewspec.documents import API_VERSION, DEFAULT_MODEL, Kind
from libs.crewspec.names import key_of, resolve

__all__ = ["ObjectName", "StoredObject", "stored"]

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The whole object once more: not kept."""


@dataclass(frozen=True, slots=True)
class ObjectName:
    """A document by its kind and key."""

    kind: Kind
    key: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A document as the API server has it.

    `spec` and `status` are JSON; `names` are the documents it refers to, there or
    not; `version` is the resourceVersion, which grows with every write.
    """

    name: ObjectName
    namespace: str
    bare_name: str
    uid: str
    generation: int
    version: int
    created_at: str
    annotations: Mapping[str, str]
    spec: str
    status: str
    names: frozenset[ObjectName] = frozenset()
    triggers: frozenset[str] = frozenset()
    secrets: frozenset[tuple[str, str]] = field(default=frozenset())

    @property
    def manifest(self) -> dict[str, Any]:
        """The object without its status, as the API server would give it."""
        return {
            "apiVersion": API_VERSION,
            "kind": self.name.kind.value,
            "metadata": {
                "name": self.bare_name,
                "namespace": self.namespace,
                "uid": self.uid,
                "generation": self.generation,
                "resourceVersion": str(self.version),
                "creationTimestamp": self.created_at,
                "annotations": dict(self.annotations),
            },
            "spec": json.loads(self.spec),
        }

    @property
    def age(self) -> tuple[datetime, str]:
        """What sorts objects from old to young."""
        return datetime.fromisoformat(self.created_at), self.bare_name


def stored(kind: Kind, body: Mapping[str, Any], *, home: str) -> StoredObject:
    """Keep what matters of an object as the API server gave it."""
    metadata, spec = body["metadata"], body.get("spec") or {}
    namespace = metadata["namespace"]
    key = key_of(metadata["name"], namespace, home)
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(_LAST_APPLIED, None)
    status = body.get("status")
    return StoredObject(
        name=ObjectName(kind, key),
        namespace=namespace,
        bare_name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        version=int(metadata["resourceVersion"]),
        created_at=metadata["creationTimestamp"],
        annotations=annotations,
        spec=_compact(spec),
        status=_compact(status) if status else "",
        names=frozenset(_names(kind, spec, namespace, home)),
        triggers=frozenset(spec.get("triggers") or ()),
        secrets=frozenset(_secrets(spec)),
    )


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _names(
    kind: Kind, spec: Mapping[str, Any], namespace: str, home: str
) -> Iterator[ObjectName]:
    referred: list[tuple[Kind, str]] = []
    if kind is Kind.CREW:
        tasks = spec.get("tasks") or ()
        referred += [(Kind.AGENT, task["agent"]) for task in tasks if "agent" in task]
        policies = spec.get("guardrailRefs") or ()
        referred += [(Kind.GUARDRAIL_POLICY, name) for name in policies]
    if kind is Kind.AGENT:
        model = spec.get("modelRef", DEFAULT_MODEL)
        if model != DEFAULT_MODEL:
            referred.append((Kind.MODEL_PROVIDER, model))
        referred += [(Kind.TOOL, name) for name in spec.get("toolRefs") or ()]
    for referred_kind, reference in referred:
        yield ObjectName(referred_kind, resolve(reference, namespace, home))


def _secrets(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    secret = (spec.get("credentialRef") or {}).get("secret")
    if secret:
        yield secret["name"], secret["key"]
