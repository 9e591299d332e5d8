"""What is told about models, tools, policies and agents."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from libs.crewspec.status import DocumentStatus
from services.operator.documents import document_status
from services.operator.observed import ObservedDocument
from services.operator.tests.observed_of import HOME, SETTINGS, START, World

KEY = (HOME, "llm", "token")


def observed(kind: str, *, names: bool = True, **changes: Any) -> ObservedDocument:
    """Observe one of the documents of a valid crew, with those that it names."""
    documents = World().documents
    mine = next(found for found in documents if found["kind"] == kind)
    return ObservedDocument(
        manifest=mine | changes.pop("manifest", {}),
        documents=documents[1:3] if names and kind == "Agent" else (),
        used_by=2,
        secrets=changes.pop("secrets", {KEY: "7"}),
        status=changes.pop("status", None),
        now=START,
    )


def told(status: DocumentStatus) -> dict[str, tuple[str, str]]:
    return {
        found.type.value: (found.status.value, found.reason)
        for found in status.conditions
    }


def test_a_valid_document_is_ready() -> None:
    for kind in ("Agent", "ModelProvider", "Tool", "GuardrailPolicy"):
        status = document_status(observed(kind), SETTINGS)
        assert told(status) == {
            "Accepted": ("True", "Accepted"),
            "ResolvedRefs": ("True", "Resolved"),
            "Ready": ("True", "UpToDate"),
        }
        assert (status.observed_generation, status.used_by) == (1, 2)


def test_a_model_tells_the_version_of_its_secret() -> None:
    for version in ("7", "8"):
        model = observed("ModelProvider", secrets={KEY: version})
        assert document_status(model, SETTINGS).secret_version == version


def test_a_model_without_its_secret_is_not_ready() -> None:
    status = document_status(observed("ModelProvider", secrets={KEY: None}), SETTINGS)
    assert told(status)["ResolvedRefs"] == ("False", "SecretNotFound")
    assert told(status)["Ready"] == ("False", "SecretNotFound")
    assert status.secret_version == ""


def test_a_document_that_cannot_be_read_is_not_accepted() -> None:
    wrong = observed("ModelProvider", manifest={"spec": {"provider": "Oracle"}})
    status = document_status(wrong, SETTINGS)
    assert told(status)["Accepted"] == ("False", "InvalidSpec")
    assert told(status)["ResolvedRefs"] == ("Unknown", "InvalidSpec")
    assert status.secret_version == ""


def test_an_agent_without_what_it_names_is_not_ready() -> None:
    status = document_status(observed("Agent", names=False), SETTINGS)
    assert told(status)["ResolvedRefs"] == ("False", "InvalidReference")
    assert told(status)["Ready"] == ("False", "InvalidReference")


def test_a_date_changes_only_with_a_status() -> None:
    first = document_status(observed("Tool"), SETTINGS)
    again = replace(observed("Tool", status=first), now=START + timedelta(hours=1))
    assert document_status(again, SETTINGS) == first
    wrong = replace(again, manifest={**again.manifest, "spec": {}})
    dates = {
        found.type: found.last_transition_time
        for found in document_status(wrong, SETTINGS).conditions
    }
    assert set(dates.values()) == {"2026-05-01T09:00:00Z"}
