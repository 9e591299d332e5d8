"""What is told about a model, a tool, a policy or an agent."""

from libs.crewspec.documents import Kind
from libs.crewspec.names import key_of
from libs.crewspec.status import (
    ConditionReason,
    ConditionStatus,
    ConditionType,
    DocumentStatus,
)
from services.operator.compilation import find_mistakes
from services.operator.conditions import Claim, acceptance, dated
from services.operator.observed import ObservedDocument, Settings

__all__ = ["document_status"]


def document_status(observed: ObservedDocument, settings: Settings) -> DocumentStatus:
    """Judge a document; it is ready when it and all that it names can be used."""
    documents, findings = find_mistakes(
        observed.manifest,
        observed.documents,
        settings=settings,
        secrets=observed.secrets,
    )
    claims = acceptance(findings)
    accepted, _ = claims
    ready = Claim(
        ConditionType.READY,
        accepted.status,
        ConditionReason.UP_TO_DATE if findings.is_clean else accepted.reason,
        accepted.message,
    )
    metadata = observed.manifest["metadata"]
    version = ""
    if observed.manifest["kind"] == Kind.MODEL_PROVIDER:
        key = key_of(metadata["name"], metadata["namespace"], settings.home)
        model = documents.models.get(key)
        reference = model.spec.credential_ref if model else None
        secret = reference.secret if reference else None
        if secret and accepted.status is ConditionStatus.TRUE:
            place = (settings.home, secret.name, secret.key)
            version = observed.secrets.get(place) or ""
    generation = metadata.get("generation", 0)
    before = observed.status.conditions if observed.status else ()
    return DocumentStatus(
        observed_generation=generation,
        conditions=dated(
            [*claims, ready], before, generation=generation, now=observed.now
        ),
        used_by=observed.used_by,
        secret_version=version,
    )
