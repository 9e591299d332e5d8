"""An API server that knows crews and nothing else, on a socket of its own."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, override
from urllib.parse import parse_qs, urlsplit

import yaml

from libs.crewspec.documents import API_VERSION

__all__ = ["CrewServer", "crew_server"]

type Manifest = dict[str, Any]


class CrewServer:
    """What is stored, the address, and who reacts to a change of a crew."""

    def __init__(self, folder: Path) -> None:
        self.crews: dict[str, Manifest] = {}
        self.revisions: list[Manifest] = []
        self.patches: list[Manifest] = []
        self.react: Callable[[Manifest], None] = lambda crew: None  # noqa: ARG005 - nobody does
        self.has_crews = True
        self.kubeconfig = folder / "kubeconfig"

    def add_crew(self, name: str, **status: Any) -> Manifest:
        """Store a crew with a status."""
        self.crews[name] = {
            "apiVersion": API_VERSION,
            "kind": "Crew",
            "metadata": {"name": name, "namespace": "coach", "annotations": {}},
            "spec": {"description": "Answers"},
            "status": status,
        }
        return self.crews[name]

    def add_revision(self, crew: str, digest: str, created_at: str) -> str:
        """Store a revision and return its name."""
        name = f"{crew}-{digest.removeprefix('sha256:')[:10]}"
        metadata = {
            "name": name,
            "namespace": "coach",
            "creationTimestamp": created_at,
        }
        self.revisions.append(
            {
                "apiVersion": API_VERSION,
                "kind": "CrewRevision",
                "metadata": metadata,
                "spec": {"crew": crew, "digest": digest, "content": "{}"},
            }
        )
        return name

    def answer(self, path: str, patch: Manifest | None) -> tuple[int, Manifest]:
        """Answer a request."""
        url = urlsplit(path)
        _, _, asked = url.path.partition("/v1alpha1/")
        *_, kind, name = (
            asked.split("/") if asked.count("/") > 2 else [*asked.split("/"), ""]
        )
        if not self.has_crews:
            return 404, {"kind": "Status", "code": 404, "message": "404 page not found"}
        if kind == "crewrevisions":
            (selector,) = parse_qs(url.query)["fieldSelector"]
            wanted = selector.removeprefix("spec.crew=")
            items = [one for one in self.revisions if one["spec"]["crew"] == wanted]
            return 200, {"items": items, "metadata": {}}
        if kind == "crews" and not name:
            return 200, {"items": [*self.crews.values()], "metadata": {}}
        return self._one(name, patch)

    def _one(self, name: str, patch: Manifest | None) -> tuple[int, Manifest]:
        crew = self.crews.get(name)
        if crew is None:
            message = f'crews.crew.venturebots.dev "{name}" not found'
            details = {"name": name, "kind": "crews"}
            status = {"kind": "Status", "code": 404, "message": message}
            return 404, {**status, "details": details}
        if patch is not None:
            self.patches.append(patch)
            crew["spec"].update(patch.get("spec", {}))
            annotations = patch.get("metadata", {}).get("annotations", {})
            crew["metadata"]["annotations"].update(annotations)
            self.react(crew)
        return 200, crew


@contextmanager
def crew_server(folder: Path) -> Iterator[CrewServer]:
    """Run one, with a kubeconfig whose namespace is `coach`."""
    stored = CrewServer(folder)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, patch: Manifest | None) -> None:
            code, body = stored.answer(self.path, patch)
            told = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def do_GET(self) -> None:
            self._answer(None)

        def do_PATCH(self) -> None:
            length = int(self.headers["Content-Length"])
            self._answer(json.loads(self.rfile.read(length)))

        @override
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    context = {"cluster": "test", "user": "test", "namespace": "coach"}
    config = {
        "clusters": [{"name": "test", "cluster": {"server": address}}],
        "users": [{"name": "test", "user": {"token": "of-a-test"}}],
        "contexts": [{"name": "test", "context": context}],
        "current-context": "test",
    }
    stored.kubeconfig.write_text(yaml.safe_dump(config), "utf-8")
    try:
        yield stored
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
