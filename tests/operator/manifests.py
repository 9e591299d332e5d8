"""Resources for tests: a crew of one agent, and the endpoints of orchestrators."""

from collections.abc import Sequence
from typing import Any

__all__ = ["agent", "crew", "endpoints", "large_tasks", "model", "policy"]

_LARGE = 20
_API_VERSION = "crew.venturebots.dev/v1alpha1"


def crew(
    name: str,
    namespace: str,
    *,
    prompt: str = "Answer the founder.",
    agent: str = "coach",
    **spec: Any,
) -> dict[str, Any]:
    """Return a crew that answers in one step."""
    task = {
        "name": "reply",
        "title": "Thinking it through",
        "agent": agent,
        "description": prompt,
        "expectedOutput": "A reply.",
    }
    return _document(
        "Crew",
        name,
        namespace,
        {"description": "Answers a founder", "tasks": [task], **spec},
    )


def large_tasks() -> list[dict[str, Any]]:
    """Return as many words as a crew may have, about 600 kB."""
    return [
        {
            "name": f"step-{number}",
            "title": "Thinking it through",
            "agent": "coach",
            "description": f"{number} " + "word " * 6_000,
            "expectedOutput": "A reply.",
            **({} if number == _LARGE - 1 else {"output": "Internal"}),
        }
        for number in range(_LARGE)
    ]


def agent(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    """Return an agent."""
    told = {"role": "Coach", "goal": "Help.", "backstory": "A founder once."}
    return _document("Agent", name, namespace, {**told, **spec})


def policy(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    """Return a policy."""
    return _document("GuardrailPolicy", name, namespace, {"maxToolCalls": 3, **spec})


def model(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    """Return a model with a key from a Secret."""
    told = {
        "provider": "OpenAICompatible",
        "model": "gpt",
        "endpoint": "https://api.openai.com/v1",
        "credentialRef": {"secret": {"name": "models", "key": "openai"}},
    }
    return _document("ModelProvider", name, namespace, {**told, **spec})


def endpoints(namespace: str, instances: Sequence[str]) -> dict[str, Any]:
    """Return the slice that names as many ready orchestrators."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "orchestrator-1",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": "orchestrator"},
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [f"10.1.0.{number}"],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": instance, "uid": instance},
            }
            for number, instance in enumerate(instances, start=1)
        ],
        "ports": [{"name": "grpc", "port": 50051, "protocol": "TCP"}],
    }


def _document(
    kind: str, name: str, namespace: str, spec: dict[str, Any]
) -> dict[str, Any]:
    return {
        "apiVersion": _API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
