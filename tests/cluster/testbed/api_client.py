"""A client of the test cluster's API server, no more than its agents need."""

import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

type Object = dict[str, Any]
"""A Kubernetes object as its API sends it."""

_TIMEOUT_SECONDS = 10
_FIRST_ERROR_STATUS = 400


class ApiError(Exception):
    """The API server refused a request."""


class ApiClient:
    """One connection, made anew after a failure."""

    def __init__(self, server: str, certificates: Path) -> None:
        tls = ssl.create_default_context(cafile=certificates / "ca.crt")
        tls.load_cert_chain(certificates / "testbed.crt", certificates / "testbed.key")
        self._connection = http.client.HTTPSConnection(
            server, context=tls, timeout=_TIMEOUT_SECONDS
        )

    def list(self, path: str) -> list[Object]:
        """Read all objects of a kind."""
        items: list[Object] = self._call("GET", path)["items"]
        return items

    def create(self, path: str, body: Mapping[str, object]) -> None:
        """Make an object."""
        self._call("POST", path, body)

    def delete(self, path: str) -> None:
        """Remove an object."""
        self._call("DELETE", path)

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        self._connection.close()

    def _call(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> Object:
        content = None if body is None else json.dumps(body)
        headers = {"content-type": "application/json"}
        self._connection.request(method, path, content, headers)
        response = self._connection.getresponse()
        answer: Object = json.load(response)
        if response.status >= _FIRST_ERROR_STATUS:
            message = f"{method} {path}: {answer.get('message', response.status)}"
            raise ApiError(message)
        return answer
