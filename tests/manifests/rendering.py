"""Charts rendered by a real Helm, and their objects by kind and name."""

import json
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from libs.toolchain.charts import CHARTS
from libs.toolchain.helm import find_helms

__all__ = [
    "ALL_APIS",
    "CREWS_API",
    "DEVELOPMENT",
    "EVERYTHING",
    "FROM_FILES",
    "UMBRELLA",
    "Manifest",
    "RefusedError",
    "Rendering",
    "Values",
    "installed_helms",
    "render",
]

type Manifest = dict[str, Any]
type Values = dict[str, Any]

UMBRELLA = CHARTS / "venturebots"
ALL_APIS = ("cert-manager.io/v1", "monitoring.coreos.com/v1")
CREWS_API = "crew.venturebots.dev/v1alpha1/Crew"
"""What charts/venturebots-crds brings, which is installed first."""
_TOKENS: Values = {
    "orchestratorToken": {"developmentToken": "development-test"},
    "operatorToken": {"developmentToken": "development-test"},
}
DEVELOPMENT: Values = {"global": _TOKENS}
"""The least that has to be said."""
FROM_FILES: Values = {"global": {**_TOKENS, "operator": {"enabled": False}}}
"""The same without the operator: crews are the documents in the image."""
EVERYTHING: Values = {
    "global": {
        **_TOKENS,
        "externalUrl": "https://coach.example.org",
        "credentials": [
            {"secret": "models", "key": "openai", "allowedHosts": ["api.openai.com"]}
        ],
        "networkPolicy": {"metricsClients": [{"podSelector": {}}]},
        "tracing": {"endpoint": "http://collector.observability:4317"},
    },
    "ingress": {"enabled": True},
    "gatewayApi": {
        "enabled": True,
        "parentRefs": [{"name": "shared"}],
        "gateway": {"create": True, "className": "some"},
    },
    "tls": {
        "secretName": "coach-tls",
        "certificate": {"enabled": True, "issuerRef": {"name": "some"}},
    },
    "api-gateway": {
        "backup": {"enabled": True},
        "serviceMonitor": {"enabled": True},
    },
    "orchestrator": {
        "autoscaling": {"enabled": True},
        "serviceMonitor": {"enabled": True},
        "privateModels": [{"network": "10.96.40.7/32", "port": 8080}],
    },
    "frontend": {"autoscaling": {"enabled": True}},
    "operator": {
        "watchNamespaces": ["elsewhere"],
        "aggregatedRoles": {"enabled": True},
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True},
    },
    "models": {
        "openai": {
            "provider": "OpenAICompatible",
            "model": "gpt-4.1-mini",
            "endpoint": "https://api.openai.com/v1",
            "credentialRef": {"secret": {"name": "models", "key": "openai"}},
        }
    },
}
"""Every switch on; with ALL_APIS every template renders something."""

_SYMLINK_NOTE = re.compile(r"^.*found symbolic link in path.*\n?", re.MULTILINE)


class RefusedError(Exception):
    """Helm did not render; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """The objects that a chart made, in Helm's order."""

    objects: tuple[Manifest, ...]

    def of_kind(self, kind: str) -> dict[str, Manifest]:
        """Return the objects of a kind by name."""
        return {
            one["metadata"]["name"]: one for one in self.objects if one["kind"] == kind
        }

    def one(self, kind: str, name: str) -> Manifest:
        """Return the object of a kind and name."""
        return self.of_kind(kind)[name]

    def pod(self, name: str) -> Manifest:
        """Return the pod template of a Deployment of the release `vb`."""
        template: Manifest = self.one("Deployment", f"vb-{name}")["spec"]["template"]
        return template

    def container(self, name: str) -> Manifest:
        """Return the only container of a Deployment."""
        (container,) = self.pod(name)["spec"]["containers"]
        found: Manifest = container
        return found

    def policy(self, name: str) -> Manifest:
        """Return what a NetworkPolicy of the release `vb` says."""
        spec: Manifest = self.one("NetworkPolicy", f"vb-{name}")["spec"]
        return spec

    def pod_templates(self) -> dict[str, Manifest]:
        """Return what every pod would be: of Deployments, CronJobs and tests."""
        found = {}
        for one in self.objects:
            match one["kind"]:
                case "Deployment":
                    template = one["spec"]["template"]
                case "CronJob":
                    template = one["spec"]["jobTemplate"]["spec"]["template"]
                case "Pod":
                    template = one
                case _:
                    continue
            found[one["metadata"]["name"]] = template
        return found

    def pod_specs(self) -> dict[str, Manifest]:
        """Return the specs of all pods."""
        return {name: one["spec"] for name, one in self.pod_templates().items()}

    def pod_labels(self) -> dict[str, dict[str, str]]:
        """Return the labels of all pods."""
        templates = self.pod_templates().items()
        return {name: one["metadata"]["labels"] for name, one in templates}


@dataclass(frozen=True, slots=True)
class _Order:
    """A rendering to be made; equal ones are made once."""

    chart: Path
    values: str
    files: tuple[str, ...] = ()
    apis: tuple[str, ...] = ()
    major: int | None = None
    options: tuple[str, ...] = field(default=())
    release: str = "vb"


def render(
    values: Values | None = None,
    *,
    chart: Path = UMBRELLA,
    files: Sequence[str] = (),
    apis: Iterable[str] = (),
    knows_crews: bool = True,
    major: int | None = None,
    options: Sequence[str] = (),
    release: str = "vb",
) -> Rendering:
    """Render a chart as a release in the namespace `coach`.

    `files` are profiles of the umbrella, `values` win over them, `apis` are those a
    cluster would have besides its own and, unless it is said not to know them, those
    of crews. Raises RefusedError when Helm refuses.
    """
    return _rendered(
        _Order(
            chart=chart,
            values=json.dumps(values or {}, sort_keys=True),
            files=tuple(files),
            apis=(*apis, CREWS_API) if knows_crews else tuple(apis),
            major=major,
            options=tuple(options),
            release=release,
        )
    )


installed_helms = cache(find_helms)
"""Every line of Helm that is there."""


@cache
def _rendered(order: _Order) -> Rendering:
    helms = installed_helms()
    helm = helms[order.major] if order.major else next(iter(helms.values()))
    words = [str(helm), "template", order.release, str(order.chart)]
    words += ["--namespace", "coach"]
    words += ["--kube-version", "1.36.0", "--values", "-"]
    # Later ones win, and standard input can be named but once.
    profiles = [f"--values={UMBRELLA / f'values-{name}.yaml'}" for name in order.files]
    words[6:6] = profiles
    words += [f"--api-versions={api}" for api in order.apis]
    done = subprocess.run(
        [*words, *order.options],
        input=order.values,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        raise RefusedError(_SYMLINK_NOTE.sub("", done.stderr).strip())
    loaded = yaml.load_all(done.stdout, Loader=_LOADER)
    return Rendering(tuple(one for one in loaded if one))


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
