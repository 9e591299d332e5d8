"""Documents as custom resources: what `kubectl apply` takes."""

from typing import Any

from libs.crewspec.documents import API_VERSION, Kind
from libs.crewspec.loader import DocumentSet
from libs.crewspec.names import namespace_of

__all__ = ["as_resources"]


def as_resources(documents: DocumentSet) -> list[dict[str, Any]]:
    """Write a set as manifests, those that others name first.

    They hold what was written and no defaults; prompts that stood in files stand in
    place. Documents at home get no namespace: that is for whoever applies them.
    """
    return [
        {
            "apiVersion": API_VERSION,
            "kind": kind.value,
            "metadata": _metadata(document.name),
            "spec": document.spec.model_dump(
                mode="json", by_alias=True, exclude_unset=True
            ),
        }
        for kind in Kind
        for document in documents.of_kind(kind).values()
    ]


def _metadata(key: str) -> dict[str, str]:
    namespace = namespace_of(key)
    named = {"name": key.rpartition("/")[2]}
    return {**named, "namespace": namespace} if namespace else named
