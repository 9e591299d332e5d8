"""Pods of the tests' own, and what lies behind a pod: its processes."""

import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.cluster.kubernetes import Kubernetes, Object, Release, wait_until

__all__ = ["Reach", "confined", "is_ready", "kill", "reach", "ready_at", "stranger"]

_PROCESSES = Path("/proc")
_CONNECT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reach(place):
    try:
        socket.create_connection(place, timeout=4).close()
    except socket.gaierror:
        return "unresolved"
    except TimeoutError:
        return "blocked"
    except ConnectionRefusedError:
        return "refused"
    return "open"
places = [tuple(place) for place in json.loads(sys.argv[1])]
with ThreadPoolExecutor(len(places)) as threads:
    print(json.dumps([*threads.map(reach, places)]))
"""


class Reach(StrEnum):
    """How far a connection came."""

    OPEN = "open"
    REFUSED = "refused"
    BLOCKED = "blocked"
    UNRESOLVED = "unresolved"


def confined(image: str, command: Sequence[str], **container: Any) -> Object:
    """Write the spec of a pod that a `restricted` namespace takes."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "main",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": list(command),
                "resources": {
                    "requests": {"cpu": "10m", "memory": "32Mi"},
                    "limits": {"memory": "256Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                **container,
            }
        ],
    }


@contextmanager
def stranger(
    kubernetes: Kubernetes,
    namespace: str,
    name: str = "stranger",
    *,
    labels: Mapping[str, str] | None = None,
    node: str | None = None,
) -> Iterator[str]:
    """Run a pod that does nothing, with a Python to reach out with; maybe on a node."""
    spec = confined(
        "venturebots/api-gateway:0.1.0",
        ["python", "-c", "import signal; signal.pause()"],
    )
    if node is not None:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels or {"app": name})},
        "spec": spec,
    }
    kubernetes.apply(pod, namespace=namespace)
    of_pod = ("--namespace", namespace, f"pod/{name}")
    kubernetes.kubectl("wait", "--for=condition=Ready", *of_pod, "--timeout=120s")
    try:
        yield name
    finally:
        kubernetes.kubectl("delete", *of_pod, "--wait=false")


def reach(
    kubernetes: Kubernetes, namespace: str, pod: str, *places: tuple[str, int]
) -> list[Reach]:
    """Connect from a pod to hosts and ports; tell how far each came."""
    told = kubernetes.kubectl(
        *("exec", "--namespace", namespace, pod, "--"),
        *("python", "-c", _CONNECT, json.dumps(places)),
    )
    return [Reach(word) for word in json.loads(told)]


def is_ready(pod: Object) -> bool:
    """Whether a pod takes traffic and is not about to go."""
    return "deletionTimestamp" not in pod["metadata"] and any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in pod["status"].get("conditions", [])
    )


def ready_at(pod: Object) -> str:
    """When a pod became ready, to the second."""
    [when] = [
        condition["lastTransitionTime"]
        for condition in pod["status"]["conditions"]
        if condition["type"] == "Ready" and condition["status"] == "True"
    ]
    return str(when)


def kill(release: Release, service: str) -> None:
    """End a service's process as a crash does, without the cluster's knowledge.

    It is found among the machine's own processes, by the container's id; the
    wait is for the kubelet to count a restart.
    """
    [pod] = [pod for pod in release.pods(service) if is_ready(pod)]
    [status] = pod["status"]["containerStatuses"]
    container = status["containerID"].rpartition("/")[2]
    os.kill(_first_process(container), signal.SIGKILL)
    name = pod["metadata"]["name"]

    def is_restarted() -> bool:
        found = release.kubernetes.object("pod", name, namespace=release.namespace)
        [now] = found["status"]["containerStatuses"]
        return bool(now["restartCount"] > status["restartCount"])

    wait_until(is_restarted, f"a restart of {name}")


def _first_process(container: str) -> int:
    """Find the process that is number 1 in a container."""
    for folder in _PROCESSES.glob("[0-9]*"):
        try:
            if container not in (folder / "cgroup").read_text():
                continue
            lines = (folder / "status").read_text().splitlines()
        except OSError:  # it ended meanwhile
            continue
        ids = next(line.split() for line in lines if line.startswith("NSpid:"))
        if ids[-1] == "1":
            return int(folder.name)
    message = f"no process of container {container} on this machine"
    raise LookupError(message)
