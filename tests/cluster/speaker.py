"""A model server beside a release: slow enough to interrupt, known word for word."""

from typing import Any

from libs.crewspec.documents import API_VERSION
from libs.testing import model_script, model_server
from tests.cluster.kubernetes import Object, Release
from tests.cluster.pods import confined

__all__ = ["TOKENS", "speaker_values", "start_speaker"]

TOKENS = 150
"""How many tokens a reply has, as the pages of the browser tests expect."""
_TOKENS_PER_SECOND = 30
_NAME = "speaker"
_PORT = 9000
_LABELS = {"app.kubernetes.io/name": _NAME}
_SERVICES = "10.0.0.0/8"


def start_speaker(release: Release, *, node: str | None = None) -> None:
    """Serve the model in the release's namespace, and wait until it answers.

    It runs on any node, or on the one that is named.
    """
    release.kubernetes.apply(*_objects(node), namespace=release.namespace)
    release.kubectl("rollout", "status", f"deployment/{_NAME}", "--timeout=180s")


def speaker_values() -> dict[str, Any]:
    """Values of a release whose coach is that model, without limits of founders."""
    return {
        "api-gateway": {
            "settings": {
                "limits": {"messagesPerMinute": 10_000, "sessionsPerHour": 10_000}
            }
        },
        "orchestrator": {
            "settings": {"defaultModel": _NAME},
            "privateModels": [
                {
                    "network": _SERVICES,
                    "port": _PORT,
                    "to": [{"podSelector": {"matchLabels": _LABELS}}],
                }
            ],
        },
    }


def _objects(node: str | None) -> tuple[Object, ...]:
    modules = {
        f"{module.__name__.rpartition('.')[2]}.py": module.__spec__.loader.get_data(  # type: ignore[union-attr] # a module of files has a loader of files
            str(module.__file__)
        ).decode()
        for module in (model_script, model_server)
    }
    command = ["python", "-m", "libs.testing.model_server", "--host", "0.0.0.0"]  # noqa: S104 - in its pod
    command += ["--port", str(_PORT), "--tokens", str(TOKENS)]
    command += ["--tokens-per-second", str(_TOKENS_PER_SECOND)]
    container = confined(
        "venturebots/orchestrator:0.1.0",
        command,
        readinessProbe={"tcpSocket": {"port": _PORT}, "periodSeconds": 1},
        volumeMounts=[{"name": "code", "mountPath": "/app/libs/testing"}],
    )
    container["volumes"] = [{"name": "code", "configMap": {"name": _NAME}}]
    if node is not None:
        container["nodeSelector"] = {"kubernetes.io/hostname": node}
    return (
        {
            "apiVersion": API_VERSION,
            "kind": "ModelProvider",
            "metadata": {"name": _NAME},
            "spec": {
                "provider": "OpenAICompatible",
                "model": _NAME,
                "endpoint": f"http://{_NAME}:{_PORT}/v1",
            },
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": _NAME},
            "data": {"__init__.py": '"""Tests."""\n', **modules},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _NAME},
            "spec": {"selector": _LABELS, "ports": [{"port": _PORT}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": _NAME},
            "spec": {
                "selector": {"matchLabels": _LABELS},
                "template": {"metadata": {"labels": _LABELS}, "spec": container},
            },
        },
    )
