"""The CustomResourceDefinitions of crews, made from the models (`make crds`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from libs.crewspec.crd_rules import NAME_RULES, Rule
from libs.crewspec.documents import API_VERSION, DEFAULT_MODEL, SPECS, Kind, Spec
from libs.crewspec.status import CrewRevisionSpec, CrewStatus, DocumentStatus
from libs.crewspec.structural_schema import JsonSchema, structural_schema

__all__ = ["CREW_REVISION", "GROUP", "RESOURCES", "VERSION", "Resource", "definition"]

GROUP, _, VERSION = API_VERSION.partition("/")
CREW_REVISION: Final = "CrewRevision"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; a wide one is shown with `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    is_wide: bool = False

    def as_kubernetes(self) -> dict[str, Any]:
        """Write it as an item of `additionalPrinterColumns`."""
        told: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "description": self.description,
            "jsonPath": self.path,
        }
        return {**told, "priority": 1} if self.is_wide else told


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as Kubernetes sees it.

    `selectable` are the fields that `--field-selector` knows. Without a status it is
    never written to after it was made.
    """

    kind: str
    plural: str
    short_name: str
    spec: type[Spec | CrewRevisionSpec]
    status: type[CrewStatus | DocumentStatus] | None
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = NAME_RULES
    selectable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its definition."""
        return f"{self.plural}.{GROUP}"


def _condition(type_: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{type_}")].{field}'


def _why(type_: str) -> tuple[Column, ...]:
    return (
        Column(
            "Reason",
            _condition(type_, "reason"),
            f"Why it is {type_}, or not, in a word.",
            is_wide=True,
        ),
        Column(
            "Message",
            _condition(type_, "message"),
            f"Why it is {type_}, or not, in a sentence.",
            is_wide=True,
        ),
    )


_AGE: Final = Column(
    "Age", ".metadata.creationTimestamp", "How long it has been there.", type="date"
)


def _document(
    kind: Kind,
    plural: str,
    short_name: str,
    *columns: Column,
    rules: tuple[Rule, ...] = (),
) -> Resource:
    return Resource(
        kind=kind.value,
        plural=plural,
        short_name=short_name,
        spec=SPECS[kind],
        status=DocumentStatus,
        columns=(
            *columns,
            Column("Accepted", _condition("Accepted", "status"), "Is its spec valid?"),
            Column(
                "ResolvedRefs",
                _condition("ResolvedRefs", "status"),
                "Is all that it names there, and shared with it?",
            ),
            Column(
                "UsedBy", ".status.usedBy", "How many crews name it.", type="integer"
            ),
            _AGE,
            *_why("Accepted"),
        ),
        rules=(*NAME_RULES, *rules),
    )


_NOT_DEFAULT: Final = Rule(
    f"self.metadata.name != '{DEFAULT_MODEL}'",
    f"'{DEFAULT_MODEL}' stands for the model that the platform binds: take another"
    " name",
)

RESOURCES: Final = (
    _document(
        Kind.MODEL_PROVIDER,
        "modelproviders",
        "mp",
        Column("Provider", ".spec.provider", "The adapter."),
        Column("Model", ".spec.model", "The model's name at the provider."),
        rules=(_NOT_DEFAULT,),
    ),
    _document(
        Kind.TOOL,
        "tools",
        "tl",
        Column("Builtin", ".spec.builtin", "The name that a package offers it by."),
    ),
    _document(Kind.GUARDRAIL_POLICY, "guardrailpolicies", "gp"),
    _document(
        Kind.AGENT,
        "agents",
        "ag",
        Column("Model", ".spec.modelRef", "The model; empty for the platform's own."),
    ),
    Resource(
        kind=Kind.CREW.value,
        plural="crews",
        short_name="cw",
        spec=SPECS[Kind.CREW],
        status=CrewStatus,
        columns=(
            Column(
                "Ready",
                _condition("Ready", "status"),
                "Does the newest revision serve everybody it should?",
            ),
            Column("Phase", ".status.phase", "Where it stands."),
            Column("Revision", ".status.stableRevision", "The trusted revision."),
            Column(
                "Orchestrators",
                ".status.summary",
                "Orchestrators with the newest revision, of all.",
            ),
            Column(
                "Canary",
                ".status.canaryWeight",
                "The candidate's share of the sessions, in percent.",
                type="integer",
            ),
            _AGE,
            *_why("Ready"),
        ),
    ),
    Resource(
        kind=CREW_REVISION,
        plural="crewrevisions",
        short_name="crev",
        spec=CrewRevisionSpec,
        status=None,
        columns=(
            Column("Crew", ".spec.crew", "The crew it is a revision of."),
            Column("Digest", ".spec.digest", "The SHA-256 of its content."),
            _AGE,
        ),
        rules=(),
        selectable=(".spec.crew", ".spec.digest"),
    ),
)
"""All kinds of the group, those that others name first."""


def definition(resource: Resource) -> JsonSchema:
    """Return the CustomResourceDefinition of a kind."""
    version: JsonSchema = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [one.as_kubernetes() for one in resource.columns],
    }
    if resource.selectable:
        paths = [{"jsonPath": path} for path in resource.selectable]
        version["selectableFields"] = paths
    if resource.status:
        version["subresources"] = {"status": {}}
    version["schema"] = {"openAPIV3Schema": _root(resource)}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": resource.name,
            "annotations": {"helm.sh/resource-policy": "keep"},
            "labels": {"app.kubernetes.io/part-of": "venturebots"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [resource.short_name],
                "categories": ["venturebots"],
            },
            "versions": [version],
        },
    }


def _root(resource: Resource) -> JsonSchema:
    spec = structural_schema(resource.spec)
    schema: JsonSchema = {
        "description": spec["description"],
        "type": "object",
        "required": ["spec"],
        "properties": dict(_properties(resource, spec)),
    }
    if resource.rules:
        rules = [rule.as_kubernetes() for rule in resource.rules]
        schema["x-kubernetes-validations"] = rules
    return schema


def _properties(
    resource: Resource, spec: JsonSchema
) -> Iterator[tuple[str, JsonSchema]]:
    yield "apiVersion", {"description": f"Is {API_VERSION}.", "type": "string"}
    yield "kind", {"description": f"Is {resource.kind}.", "type": "string"}
    # What it holds is Kubernetes' own, descriptions too.
    yield "metadata", {"type": "object"}
    yield "spec", spec
    if resource.status:
        yield "status", structural_schema(resource.status)
