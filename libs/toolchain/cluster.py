"""Run VentureBots on a Kubernetes cluster of this machine.

`python -m libs.toolchain.cluster COMMAND`, one of `up`, `down`, `dev`, `deploy
[PROFILE]`, `test [PATH …]` and `tools`, which makes what `up` needs: where
Docker and kind work the cluster is kind's, elsewhere the project's own test cluster
(`tests/cluster/testbed`). `VB_CLUSTER` (`kind` or `testbed`) decides otherwise.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from libs.toolchain.paths import ROOT, VENV_BIN, run, with_venv_on_path

__all__ = [
    "NAMESPACE_FILE",
    "Cluster",
    "Platform",
    "chosen_platform",
    "is_engine_running",
    "is_running",
    "lacking",
    "start",
    "stop",
]

NAMESPACE_FILE = "k8s/samples/namespace.yaml"
"""The namespace that skaffold installs into, with its restrictions."""

_TESTBED = str(ROOT / "tests" / "cluster" / "testbed" / "testbed")
_NAME = "venturebots"
_TEST_LIMIT_SECONDS = "1200"


class Platform(StrEnum):
    """Whose cluster it is."""

    KIND = "kind"
    TESTBED = "testbed"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that runs, and the environment that programs find it by."""

    environment: Mapping[str, str]

    @property
    def context(self) -> str:
        """The name of the cluster's context in its kubeconfig."""
        return self.environment["VB_CLUSTER_CONTEXT"]

    def skaffold(self, *words: str) -> None:
        """Run skaffold against the cluster, in a namespace that forbids privileges."""
        self.kubectl("apply", "--filename", NAMESPACE_FILE)
        self._run("skaffold", *words, "--kube-context", self.context)

    def kubectl(self, *words: str) -> None:
        """Run kubectl against the cluster."""
        self._run("kubectl", "--context", self.context, *words)

    def _run(self, *words: str) -> None:
        run(words, env=self.environment)


def chosen_platform(environment: Mapping[str, str] = os.environ) -> Platform:
    """Take kind where it and a Docker engine answer."""
    if told := environment.get("VB_CLUSTER"):
        return Platform(told)
    works = _answers("kind", "version") and _answers("docker", "version")
    return Platform.KIND if works else Platform.TESTBED


def lacking(*groups: str) -> str | None:
    """Tell what keeps this machine from running the test cluster."""
    told = subprocess.run(
        [_TESTBED, "check", *groups], capture_output=True, text=True, check=False
    )
    if told.returncode == 0:
        return None
    return "; ".join((told.stdout or told.stderr).split("\n")).strip("; ")


def is_running(platform: Platform) -> bool:
    """Whether there is a cluster already."""
    match platform:
        case Platform.TESTBED:
            return "kube-apiserver runs" in _output(_TESTBED, "status")
        case Platform.KIND:
            return _NAME in _output("kind", "get", "clusters").split()


def is_engine_running() -> bool:
    """Whether the test cluster's own Docker engine runs."""
    return "dockerd runs" in _output(_TESTBED, "status")


def start(platform: Platform) -> Cluster:
    """Start the cluster, unless it runs, with all that it needs before us."""
    match platform:
        case Platform.TESTBED:
            run([_TESTBED, "up"])
            return Cluster(_testbed_environment())
        case Platform.KIND:
            return _start_kind()


def stop(platform: Platform, *, keeps_engine: bool = False) -> None:
    """Stop the cluster; kind forgets it, the test cluster keeps its state.

    The Docker engine of the test cluster stops with it, unless it is to be kept.
    """
    match platform:
        case Platform.TESTBED:
            run([_TESTBED, "down", *(["cluster"] if keeps_engine else [])])
        case Platform.KIND:
            run(["kind", "delete", "cluster", "--name", _NAME])


def _start_kind() -> Cluster:
    context = f"kind-{_NAME}"
    cluster = Cluster(
        {
            **with_venv_on_path(),
            "VB_CLUSTER_CONTEXT": context,
            "VB_CLUSTER_HTTP": "http://127.0.0.1:8080",
            "VB_CLUSTER_HTTPS": "https://127.0.0.1:8443",
        }
    )
    if not is_running(Platform.KIND):
        run(["kind", "create", "cluster", "--config", "k8s/kind/cluster.yaml"])
    cluster.kubectl("apply", "--server-side", "--kustomize", "k8s/kind/gateway-api")
    definition = "customresourcedefinitions/httproutes.gateway.networking.k8s.io"
    cluster.kubectl("wait", "--for=condition=Established", definition, "--timeout=60s")
    cluster.kubectl("apply", "--kustomize", "k8s/kind/gateway")
    namespace = ("--namespace", "traefik", "--timeout=180s")
    cluster.kubectl("rollout", "status", "deployment/traefik", *namespace)
    return cluster


def _testbed_environment() -> dict[str, str]:
    told = _output(_TESTBED, "run", "env", "-0")
    environment = dict(line.split("=", 1) for line in told.split("\0") if line)
    return {**environment, "PATH": f"{VENV_BIN}{os.pathsep}{environment['PATH']}"}


def _output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _answers(*words: str) -> bool:
    if shutil.which(words[0]) is None:
        return False
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def main() -> None:
    """Do what the command line names."""
    platform = chosen_platform()
    match sys.argv[1:]:
        case ["up"]:
            start(platform)
        case ["down"]:
            stop(platform)
        case ["dev"]:
            _with_skaffold(platform).skaffold("dev", "--profile", "kind")
        case ["deploy", *profile]:
            name = profile[0] if profile else "ci"
            _with_skaffold(platform).skaffold("run", "--profile", name)
        case ["tools"]:
            sys.exit(_make_tools(platform))
        case ["test", *words]:
            _fetch(platform, "charts", "metrics", "dev")
            _test(platform, *(words or ["tests/cluster"]))
        case other:
            message = f"no such command: {' '.join(other)}\n{__doc__}"
            raise SystemExit(message)


def _with_skaffold(platform: Platform) -> Cluster:
    _fetch(platform, "dev")
    cluster = start(platform)
    # The page is reached where the ingress controller listens.
    port = cluster.environment["VB_CLUSTER_HTTP"].rpartition(":")[2]
    url = f"http://{_NAME}.localhost:{port}"
    return Cluster({**cluster.environment, "VB_EXTERNAL_URL": url})


def _fetch(platform: Platform, *groups: str) -> None:
    if platform is Platform.TESTBED:
        run([_TESTBED, "fetch", *groups])


def _test(platform: Platform, *words: str) -> None:
    """Run tests, which start a cluster where none runs and stop it.

    Our own has all that they need: two nodes, and none of them may skip.
    """
    python, limit = str(VENV_BIN / "python"), ("--timeout", _TEST_LIMIT_SECONDS)
    environment = with_venv_on_path()
    if platform is Platform.TESTBED:
        environment = {"NODES": "2", **environment, "VB_REQUIRE_REAL": "1"}
    run([python, "-m", "pytest", *limit, *words], env=environment)


def _make_tools(platform: Platform) -> int:
    """Build what the test cluster and the charts need, with what else runs going first.

    Returns 77 where that cannot be had.
    """
    if platform is Platform.KIND:
        return 0
    fetch = ["nice", "-n", "19", _TESTBED, "fetch", "images", "cluster", "charts"]
    return subprocess.run(fetch, check=False).returncode


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
