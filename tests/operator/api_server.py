"""A real etcd and API server on loopback, with an audit log and users of its own."""

import base64
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import yaml

from libs.toolchain.paths import ROOT

__all__ = ["ApiServer", "Write", "binaries", "free_port"]

_CACHE = Path(os.environ.get("TESTBED_CACHE", Path.home() / ".cache" / "testbed"))
_POLICY = ROOT / "tests" / "cluster" / "testbed" / "audit-policy.yaml"
_CRDS = ROOT / "charts" / "venturebots-crds" / "templates"
_START_SECONDS = 90
_STOP_SECONDS = 20
_ADMIN = "admin"


def binaries() -> Path | None:
    """Tell where etcd and kube-apiserver are, None where they are not."""
    folder = _CACHE / "bin"
    names = ("etcd", "kube-apiserver")
    return folder if all((folder / name).exists() for name in names) else None


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Write:
    """A request that changes something, as the audit log has it."""

    at: datetime
    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int


class ApiServer:
    """Start it with `start`; `admin` may do everything, others what roles say."""

    def __init__(self, *, folder: Path, users: tuple[str, ...]) -> None:
        self._folder = folder
        self._bin = binaries()
        self._tokens = {name: secrets.token_hex(16) for name in (_ADMIN, *users)}
        self._port = free_port()
        self._etcd_port, self._peer_port = free_port(), free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.interruptions = 0
        self.url = f"https://127.0.0.1:{self._port}"
        self._admin: httpx2.Client | None = None

    def start(self) -> None:
        """Start both and install the definitions of crews."""
        self._make_keys()
        self._spawn(
            "etcd",
            *("--data-dir", str(self._folder / "etcd"), "--unsafe-no-fsync"),
            *("--log-level", "error"),
            f"--listen-client-urls=http://127.0.0.1:{self._etcd_port}",
            f"--advertise-client-urls=http://127.0.0.1:{self._etcd_port}",
            f"--listen-peer-urls=http://127.0.0.1:{self._peer_port}",
        )
        self._serve()
        for file in sorted(_CRDS.glob("*.yaml")):
            self.apply(yaml.safe_load(file.read_text()))
        for file in sorted(_CRDS.glob("*.yaml")):
            self._until_served(yaml.safe_load(file.read_text()))

    def _serve(self) -> None:
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            *(f"--secure-port={self._port}", "--bind-address=127.0.0.1"),
            f"--tls-cert-file={self._folder / 'server.crt'}",
            f"--tls-private-key-file={self._folder / 'server.key'}",
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={self._folder / 'accounts.pub'}",
            f"--service-account-signing-key-file={self._folder / 'accounts.key'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--audit-policy-file={_POLICY}",
            f"--audit-log-path={self._audit_log}",
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            if time.monotonic() > deadline or self._died("kube-apiserver"):
                log = (self._folder / "kube-apiserver.log").read_text()
                raise RuntimeError(f"the API server does not start:\n{log[-4000:]}")
            time.sleep(0.2)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let the API server be away for a while, as after a crash."""
        self._end("kube-apiserver")
        self.interruptions += 1
        try:
            yield
        finally:
            self._serve()

    @contextmanager
    def without(self, user: str) -> Iterator[None]:
        """Let a user's token mean nothing for a while."""
        with self.away():
            self._write_tokens(left_out=user)
        try:
            yield
        finally:
            with self.away():
                self._write_tokens()

    def stop(self) -> None:
        """End both."""
        if self._admin is not None:
            self._admin.close()
        for name in ("kube-apiserver", "etcd"):
            self._end(name)

    def kubeconfig(self, user: str, *, url: str | None = None) -> Path:
        """Write a kubeconfig of a user, who may reach the server by another way."""
        way = "" if url is None else f".{urlsplit(url).port}"
        path = self._folder / f"{user}{way}.kubeconfig"
        authority = base64.b64encode((self._folder / "server.crt").read_bytes())
        cluster = {
            "server": url or self.url,
            "certificate-authority-data": authority.decode(),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": self._tokens[user]}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
        **parameters: str,
    ) -> dict[str, Any]:
        """Make a request as admin; raises HTTPStatusError when it is refused."""
        response = self._client().request(
            method,
            path,
            content=None if body is None else json.dumps(body),
            headers={"Content-Type": content_type},
            params=parameters,
        )
        if response.is_error:
            message = f"{method} {path}: {response.status_code} {response.text}"
            raise httpx2.HTTPStatusError(
                message, request=response.request, response=response
            )
        answer: dict[str, Any] = response.json()
        return answer

    def apply(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Apply an object as kubectl would with --server-side."""
        return self.request(
            "PATCH",
            _path(body),
            body,
            content_type="application/apply-patch+yaml",
            fieldManager="test",
            force="true",
        )

    def remove(self, body: Mapping[str, Any]) -> None:
        """Delete the object that was applied."""
        self.request("DELETE", _path(body))

    def get(self, kind: str, namespace: str, name: str = "") -> dict[str, Any]:
        """Read one object, or the list of a kind."""
        return self.request(
            "GET", _collection(kind, namespace) + f"/{name}".rstrip("/")
        )

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete one object."""
        self.request("DELETE", f"{_collection(kind, namespace)}/{name}")

    def merge(
        self, kind: str, namespace: str, name: str, patch: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Change an object by a merge patch."""
        return self.request(
            "PATCH",
            f"{_collection(kind, namespace)}/{name}",
            patch,
            content_type="application/merge-patch+json",
            fieldManager="test",
        )

    def writes(self, *users: str) -> list[Write]:
        """Return what users changed so far, in the order of the audit log."""
        return [
            write
            for write in self._audited()
            if write.user in users and write.verb not in {"get", "list", "watch"}
        ]

    def answers(self, *users: str) -> list[Write]:
        """Return all requests of users so far, reads too."""
        return [each for each in self._audited() if each.user in users]

    def _audited(self) -> Iterator[Write]:
        with self._audit_log.open() as log:
            for line in log:
                with suppress(ValueError, KeyError):
                    told = json.loads(line)
                    if told["stage"] != "ResponseComplete":
                        continue
                    target = told.get("objectRef") or {}
                    resource = target.get("resource", "")
                    if target.get("subresource"):
                        resource += f"/{target['subresource']}"
                    yield Write(
                        at=datetime.fromisoformat(told["requestReceivedTimestamp"]),
                        user=told["user"]["username"],
                        verb=told["verb"],
                        resource=resource,
                        namespace=target.get("namespace", ""),
                        name=target.get("name", ""),
                        code=told["responseStatus"]["code"],
                    )

    @property
    def _audit_log(self) -> Path:
        return self._folder / "audit.log"

    def _client(self) -> httpx2.Client:
        if self._admin is None:
            trusted = ssl.create_default_context(cafile=self._folder / "server.crt")
            self._admin = httpx2.Client(
                base_url=self.url,
                verify=trusted,
                headers={"Authorization": f"Bearer {self._tokens[_ADMIN]}"},
                timeout=30,
            )
        return self._admin

    def _make_keys(self) -> None:
        def openssl(*words: str) -> None:
            program = shutil.which("openssl")
            assert program, "openssl is needed"
            subprocess.run(
                [program, *words], cwd=self._folder, check=True, capture_output=True
            )

        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "30", "-subj", "/CN=test"),
            *("-keyout", "server.key", "-out", "server.crt"),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
        )
        openssl("genrsa", "-out", "accounts.key", "2048")
        openssl("rsa", "-in", "accounts.key", "-pubout", "-out", "accounts.pub")
        self._write_tokens()

    def _write_tokens(self, *, left_out: str = "") -> None:
        lines = [
            f"{token},{name},{name}" + (',"system:masters"' if name == _ADMIN else "")
            for name, token in self._tokens.items()
            if name != left_out
        ]
        (self._folder / "tokens.csv").write_text("\n".join(lines) + "\n")

    def _spawn(self, name: str, *words: str) -> None:
        assert self._bin is not None
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [self._bin / name, *words], stdout=log, stderr=log
            )

    def _died(self, name: str) -> bool:
        return self._processes[name].poll() is not None

    def _end(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is not None:
            process.kill()
            process.wait(_STOP_SECONDS)

    def _is_ready(self) -> bool:
        try:
            return bool(self._client().get("/readyz", timeout=5).status_code == 200)
        except httpx2.HTTPError:
            return False

    def _until_served(self, definition: Mapping[str, Any]) -> None:
        name = definition["metadata"]["name"]
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            status = self.request("GET", path).get("status") or {}
            conditions = status.get("conditions") or ()
            if any(
                (each["type"], each["status"]) == ("Established", "True")
                for each in conditions
            ):
                return
            time.sleep(0.1)
        raise RuntimeError(f"{name} is not served")


_PLURALS = {
    "Agent": ("apis/crew.venturebots.dev/v1alpha1", "agents"),
    "Crew": ("apis/crew.venturebots.dev/v1alpha1", "crews"),
    "CrewRevision": ("apis/crew.venturebots.dev/v1alpha1", "crewrevisions"),
    "GuardrailPolicy": ("apis/crew.venturebots.dev/v1alpha1", "guardrailpolicies"),
    "ModelProvider": ("apis/crew.venturebots.dev/v1alpha1", "modelproviders"),
    "Tool": ("apis/crew.venturebots.dev/v1alpha1", "tools"),
    "ConfigMap": ("api/v1", "configmaps"),
    "EndpointSlice": ("apis/discovery.k8s.io/v1", "endpointslices"),
    "Event": ("apis/events.k8s.io/v1", "events"),
    "Lease": ("apis/coordination.k8s.io/v1", "leases"),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "Secret": ("api/v1", "secrets"),
    "Service": ("api/v1", "services"),
}


def _collection(kind: str, namespace: str) -> str:
    group, plural = _PLURALS[kind]
    return f"/{group}/namespaces/{namespace}/{plural}"


def _path(body: Mapping[str, Any]) -> str:
    name = body["metadata"]["name"]
    match body["kind"]:
        case "CustomResourceDefinition":
            return f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        case "Namespace":
            return f"/api/v1/namespaces/{name}"
        case "ClusterRole" | "ClusterRoleBinding" as kind:
            group = "/apis/rbac.authorization.k8s.io/v1"
            return f"{group}/{kind.lower()}s/{name}"
        case kind:
            return f"{_collection(kind, body['metadata']['namespace'])}/{name}"
