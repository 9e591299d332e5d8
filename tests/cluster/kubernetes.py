"""A cluster and a release in it, as tests use them: through kubectl and helm."""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from libs.toolchain.paths import ROOT

__all__ = ["Kubernetes", "Object", "Release", "namespace", "wait_until"]

type Object = dict[str, Any]
"""A Kubernetes object as its API sends it."""

_CHARTS = ROOT / "charts"
CHART = _CHARTS / "venturebots"
_DEFINITIONS = "venturebots-crds"
_HELM_TIMEOUT = "8m"
_COMMAND_SECONDS = 600.0
_LIMIT_SECONDS = 180.0
_RESTRICTED = (
    "pod-security.kubernetes.io/enforce=restricted",
    "pod-security.kubernetes.io/warn=restricted",
)


def wait_until(
    is_so: Callable[[], bool], what: str, *, limit_seconds: float = _LIMIT_SECONDS
) -> float:
    """Poll a condition; return after how many seconds it held.

    Raises:
        TimeoutError: it did not hold in time.

    """
    started = time.monotonic()
    while not is_so():
        if time.monotonic() - started > limit_seconds:
            raise TimeoutError(f"not within {limit_seconds:g} s: {what}")
        time.sleep(0.2)
    return time.monotonic() - started


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """A cluster, and where its ingress controller listens."""

    environment: Mapping[str, str]

    @property
    def http_port(self) -> int:
        """The port of 127.0.0.1 that leads to the ingress controller."""
        return int(self.environment["VB_CLUSTER_HTTP"].rpartition(":")[2])

    @property
    def https_port(self) -> int:
        """The same for TLS."""
        return int(self.environment["VB_CLUSTER_HTTPS"].rpartition(":")[2])

    @property
    def audit_log(self) -> Path | None:
        """The API server's log of requests, one JSON object a line."""
        told = self.environment.get("VB_CLUSTER_AUDIT_LOG")
        return Path(told) if told else None

    def run(
        self, *words: str, stdin: str | None = None, is_checked: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program that finds the cluster; its output is kept.

        Raises:
            AssertionError: it failed, and was not allowed to.

        """
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_SECONDS,
        )
        told = (
            f"{' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}"
        )
        assert done.returncode == 0 or not is_checked, told
        return done

    def kubectl(
        self, *words: str, stdin: str | None = None, is_checked: bool = True
    ) -> str:
        """Run kubectl; return what it wrote."""
        context = ("--context", self.environment["VB_CLUSTER_CONTEXT"])
        return self.run(
            "kubectl", *context, *words, stdin=stdin, is_checked=is_checked
        ).stdout

    def helm(
        self, *words: str, program: str = "helm"
    ) -> subprocess.CompletedProcess[str]:
        """Run helm, or another line of it; warnings are in its standard error."""
        context = self.environment["VB_CLUSTER_CONTEXT"]
        return self.run(program, "--kube-context", context, *words)

    def install_definitions(self, charts: Path = _CHARTS) -> None:
        """Install or upgrade what crews are, as the runbook does; once per cluster."""
        chart = str(charts / _DEFINITIONS)
        options = ("--namespace", _DEFINITIONS, "--create-namespace", "--wait")
        self.helm("upgrade", "--install", _DEFINITIONS, chart, *options)

    def apply(self, *objects: Object, namespace: str = "default") -> None:
        """Apply objects on the server's side."""
        text = yaml.safe_dump_all(objects)
        words = ("apply", "--server-side", "--namespace", namespace, "--filename", "-")
        self.kubectl(*words, stdin=text)

    def objects(self, kind: str, *, namespace: str, selector: str = "") -> list[Object]:
        """Read all objects of a kind in a namespace."""
        words = ("get", kind, "--namespace", namespace, "--output", "json")
        found = self.kubectl(*words, "--selector", selector)
        items: list[Object] = json.loads(found)["items"]
        return items

    def object(self, kind: str, name: str, *, namespace: str) -> Object:
        """Read one object."""
        words = ("get", kind, name, "--namespace", namespace, "--output", "json")
        found: Object = json.loads(self.kubectl(*words))
        return found


@dataclass(frozen=True, slots=True)
class Release:
    """The umbrella chart in a namespace of its own."""

    kubernetes: Kubernetes
    namespace: str
    name: str = "venturebots"
    helm: str = "helm"
    charts: Path = _CHARTS

    @property
    def host(self) -> str:
        """The host name that leads to this release, and to no other."""
        return f"{self.namespace}.localhost"

    @property
    def url(self) -> str:
        """Where a browser finds the page."""
        return f"http://{self.host}:{self.kubernetes.http_port}"

    @property
    def tls_url(self) -> str:
        """The same by TLS."""
        return f"https://{self.host}:{self.kubernetes.https_port}"

    def install(self, *words: str, **values: Any) -> str:
        """Install or upgrade with the values of development and these.

        Returns what helm warned of. Keys of `values` are charts or `global`.
        """
        own: Object = {"global": {"externalUrl": self.url}}
        _merge(own, values)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(own, file)
            file.flush()
            chart = self.charts / "venturebots"
            development = str(chart / "values-dev.yaml")
            files = ("--values", development, "--values", file.name)
            done = self._helm(
                "upgrade", "--install", self.name, str(chart), *files, *words,
                "--wait", "--timeout", _HELM_TIMEOUT,
            )  # fmt: skip
        return done.stderr

    def rollback(self, revision: int = 0) -> None:
        """Go back to a revision, by default the one before."""
        words = (str(revision), "--wait", "--timeout", _HELM_TIMEOUT)
        self._helm("rollback", self.name, *words)

    def uninstall(self) -> None:
        """Remove the release and wait until its objects are gone."""
        self._helm("uninstall", self.name, "--wait", "--timeout", _HELM_TIMEOUT)

    def test(self) -> str:
        """Run the chart's own test; return what it told."""
        words = ("--logs", "--timeout", _HELM_TIMEOUT)
        return self._helm("test", self.name, *words).stdout

    def kubectl(
        self, *words: str, stdin: str | None = None, is_checked: bool = True
    ) -> str:
        """Run kubectl in the release's namespace."""
        within = ("--namespace", self.namespace)
        return self.kubernetes.kubectl(
            *within, *words, stdin=stdin, is_checked=is_checked
        )

    def objects(self, kind: str, selector: str = "") -> list[Object]:
        """Read all objects of a kind in the namespace."""
        return self.kubernetes.objects(
            kind, namespace=self.namespace, selector=selector
        )

    def pods(self, service: str) -> list[Object]:
        """Read the pods of a service, such as `orchestrator`."""
        return self.objects("pods", f"app.kubernetes.io/name={service}")

    def fullname(self, service: str) -> str:
        """The name of a service's Deployment and Service."""
        return f"{self.name}-{service}"

    def rolled_out(self, service: str) -> None:
        """Wait until all pods of a service are of its current version and ready."""
        deployment = f"deployment/{self.fullname(service)}"
        self.kubectl("rollout", "status", deployment, "--timeout=300s")

    def told(self) -> str:
        """What there is to know when something went wrong."""
        words = (
            ("get", "all,pvc,events", "--output", "wide"),
            ("describe", "pods"),
            ("get", "crews", "--output", "yaml"),
            *(
                ("logs", f"deployment/{self.fullname(service)}", "--tail=60")
                for service in ("api-gateway", "orchestrator", "operator", "frontend")
            ),
        )
        return "\n".join(self.kubectl(*command, is_checked=False) for command in words)

    def _helm(self, *words: str) -> subprocess.CompletedProcess[str]:
        within = ("--namespace", self.namespace)
        return self.kubernetes.helm(*words, *within, program=self.helm)


@contextmanager
def namespace(kubernetes: Kubernetes) -> Iterator[str]:
    """Make a namespace where Pods are held to `restricted`; remove it at the end."""
    name = f"vb-{uuid4().hex[:8]}"
    kubernetes.kubectl("create", "namespace", name)
    kubernetes.kubectl("label", "namespace", name, *_RESTRICTED)
    try:
        yield name
    finally:
        kubernetes.kubectl("delete", "namespace", name, "--wait=false")


def _merge(into: Object, more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
