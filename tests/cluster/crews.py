"""Crews of a release: what to apply, what became of it, who was served by what."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lightkube import Client, KubeConfig
from lightkube.generic_resource import create_namespaced_resource
from lightkube.types import PatchType

from libs.crewspec.documents import API_VERSION
from libs.testing.client import FounderClient
from tests.cluster.kubernetes import Object, Release, wait_until

__all__ = ["GROUP", "Crews", "agent", "crew", "served_digest"]

GROUP: Final = "crew.venturebots.dev"
_CREW = create_namespaced_resource(GROUP, "v1alpha1", "Crew", "crews")


def agent(name: str, **spec: Any) -> Object:
    """Write an Agent that says little."""
    told = {"role": "A coach", "goal": "Help", "backstory": "Seen it all", **spec}
    return _document("Agent", name, told)


def crew(name: str, description: str = "Answer {message}", **spec: Any) -> Object:
    """Write a Crew of one task, done by the agent `coach`; it answers no trigger."""
    task = {
        "name": "reply",
        "title": "Thinking",
        "agent": "coach",
        "description": description,
        "expectedOutput": "A reply",
    }
    return _document("Crew", name, {"description": "A crew", "tasks": [task], **spec})


def _document(kind: str, name: str, spec: Object) -> Object:
    metadata = {"name": name}
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
    }


@dataclass(frozen=True, slots=True)
class Crews:
    """The crews in a release's namespace."""

    release: Release

    def apply(self, *documents: Object) -> None:
        """Apply documents, taking over what others wrote."""
        text = "\n---\n".join(json.dumps(document) for document in documents)
        words = ("apply", "--server-side", "--force-conflicts", "--filename", "-")
        self.release.kubectl(*words, stdin=text)

    def get(self, name: str) -> Object:
        """Read a crew."""
        namespace = self.release.namespace
        return self.release.kubernetes.object("crew", name, namespace=namespace)

    def patch(self, name: str, spec: Mapping[str, Any], kind: str = "crew") -> None:
        """Merge into the spec of a crew, or of another document."""
        text = json.dumps({"spec": spec})
        self.release.kubectl("patch", kind, name, "--type=merge", "--patch", text)

    def say(self, name: str, description: str) -> None:
        """Change what a crew's one task is told to do."""
        text = json.dumps(
            [
                {
                    "op": "replace",
                    "path": "/spec/tasks/0/description",
                    "value": description,
                }
            ]
        )
        self.release.kubectl("patch", "crew", name, "--type=json", "--patch", text)

    def loaded_after(self, name: str, description: str) -> float:
        """Change what a crew's task is told; return how long until it is loaded.

        In seconds from the API server's answer to the news that all orchestrators
        have the change.
        """
        environment = self.release.kubernetes.environment
        config = KubeConfig.from_file(environment["KUBECONFIG"])
        namespace = self.release.namespace
        client = Client(config.get(environment["VB_CLUSTER_CONTEXT"]), namespace)
        change = [_described(description)]
        done = client.patch(_CREW, name, change, patch_type=PatchType.JSON)
        started = time.monotonic()
        assert done.metadata
        for _, found in client.watch(_CREW, namespace=namespace, server_timeout=60):
            status = found.get("status") or {}
            is_current = status.get("observedGeneration") == done.metadata.generation
            is_it = found.metadata is not None and found.metadata.name == name
            if is_it and is_current and _is_loaded(status):
                return time.monotonic() - started
        raise TimeoutError(f"{name} was not loaded")

    def annotate(self, name: str, request: str, value: str) -> None:
        """Ask something of a roll-out."""
        note = f"{GROUP}/{request}={value}"
        self.release.kubectl("annotate", "--overwrite", "crew", name, note)

    def status(self, name: str) -> Object:
        """What is told about a crew; empty before anything was."""
        told: Object = self.get(name).get("status", {})
        return told

    def condition(self, name: str, kind: str) -> tuple[str, str]:
        """Status and reason of a condition; both empty when there is none."""
        for condition in self.status(name).get("conditions", []):
            if condition["type"] == kind:
                return condition["status"], condition["reason"]
        return "", ""

    def ready(self, *names: str, limit_seconds: int = 120) -> None:
        """Wait until crews are ready for their present spec."""
        crews = [f"crew/{name}" for name in names]
        limit = f"--timeout={limit_seconds}s"
        self.release.kubectl("wait", "--for=condition=Ready", *crews, limit)

    def until(self, name: str, kind: str, status: str, reason: str = "") -> float:
        """Wait for a condition of the present generation; returns the seconds."""

        def is_so() -> bool:
            found = self.get(name)
            told = found.get("status", {})
            if told.get("observedGeneration") != found["metadata"]["generation"]:
                return False
            return any(
                each["type"] == kind
                and each["status"] == status
                and reason in {"", each["reason"]}
                for each in told["conditions"]
            )

        return wait_until(is_so, f"{kind}={status} {reason} of {name}")

    def stable(self, name: str) -> str:
        """The digest of the revision that is trusted."""
        return str(self.status(name).get("stableDigest", ""))

    def newest(self, name: str) -> str:
        """The digest of the spec as the operator saw it last."""
        return str(self.status(name).get("newestDigest", ""))

    def revisions(self, name: str) -> dict[str, str]:
        """Digests of a crew's revisions by their names."""
        return {
            found["metadata"]["name"]: found["spec"]["digest"]
            for found in self.release.objects("crewrevisions")
            if found["spec"]["crew"] == name
        }


def _described(description: str) -> Object:
    path = "/spec/tasks/0/description"
    return {"op": "replace", "path": path, "value": description}


def _is_loaded(status: Object) -> bool:
    return any(
        each["type"] == "Programmed" and each["status"] == "True"
        for each in status["conditions"]
    )


async def served_digest(founder: FounderClient, session_id: str, text: str) -> str:
    """Say something; return the digest of the revision that answered, whole.

    Raises AssertionError when there was no whole answer.
    """
    async with founder.following(session_id) as socket:
        accepted = await founder.send(session_id, text)
        stream = f"session:{session_id}"
        await socket.ended(stream, accepted["run_id"])
        state = socket.state(stream)
        assert state.run_ends[accepted["run_id"]] == "run.finished", state.run_errors
        return digest_of_run(state.seen("run.started"), accepted["run_id"])


def digest_of_run(started: Iterable[Object], run_id: str) -> str:
    """Find the digest that a run was pinned to."""
    [digest] = [
        event["data"]["digest"] for event in started if event["run_id"] == run_id
    ]
    return str(digest)
