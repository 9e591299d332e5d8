"""What crews depend on that is no document: orchestrators' endpoints and Secrets."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx2
import structlog
from lightkube import AsyncClient
from lightkube.core.client import LabelSelector

from libs.crewspec.credentials import Credential
from services.operator.errors import ApiError, ApiUnavailableError, ObjectGoneError
from services.operator.kubernetes import ENDPOINT_SLICE, SECRET, Body, send

__all__ = ["FleetEndpoints", "Secrets"]

_logger = structlog.get_logger(__name__)
_SERVICE_LABEL: Final = "kubernetes.io/service-name"
_LISTED_ANEW_SECONDS: Final = 300.0
_RETRY_SECONDS: Final = 1.0


class FleetEndpoints:
    """Counts the ready endpoints of a Service, by a watch of its slices."""

    def __init__(
        self,
        *,
        client: AsyncClient,
        namespace: str,
        service: str,
        on_count: Callable[[int], None],
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._labels: LabelSelector = {_SERVICE_LABEL: service}
        self._on_count = on_count

    async def run(self) -> None:
        """Watch for ever, with a fresh listing now and then."""
        while True:
            try:
                async with asyncio.timeout(_LISTED_ANEW_SECONDS):
                    await self._follow()
            except TimeoutError:
                continue
            except (ApiError, httpx2.HTTPError) as error:
                _logger.warning("endpoints not watched", error=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self) -> None:
        listing = self._client.list(
            ENDPOINT_SLICE, namespace=self._namespace, labels=self._labels
        )
        slices = {str(each["metadata"]["name"]): each async for each in listing}
        self._on_count(_ready(slices))
        events = self._client.watch(
            ENDPOINT_SLICE,
            namespace=self._namespace,
            labels=self._labels,
            resource_version=listing.resourceVersion,
        )
        async for kind, body in events:
            name = str(body["metadata"]["name"])
            if kind == "DELETED":
                slices.pop(name, None)
            else:
                slices[name] = body
            self._on_count(_ready(slices))


class Secrets:
    """Which version of the declared Secrets' keys there is; never what they hold.

    Each is asked for by its name: a list would show the others.
    """

    def __init__(
        self, *, client: AsyncClient, namespace: str, declared: Sequence[Credential]
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._keys: dict[str, set[str]] = {}
        for credential in declared:
            self._keys.setdefault(credential.secret, set()).add(credential.key)
        self.versions: dict[tuple[str, str, str], str | None] = {
            (namespace, name, key): None
            for name, keys in self._keys.items()
            for key in keys
        }

    async def poll(self) -> list[tuple[str, str]]:
        """Look at every declared Secret; return (Secret, key) of what changed."""
        changed = []
        for name, keys in self._keys.items():
            try:
                found = await self._keys_of(name)
            except ApiUnavailableError as error:
                _logger.warning("Secret not read", secret=name, error=error.detail)
                continue
            for key in keys:
                place = (self._namespace, name, key)
                if self.versions[place] != found.get(key):
                    self.versions[place] = found.get(key)
                    changed.append((name, key))
        return changed

    async def _keys_of(self, name: str) -> Mapping[str, str]:
        try:
            body: Body = await send(
                lambda: self._client.get(SECRET, name, namespace=self._namespace),
                about=f"Secret {self._namespace}/{name}",
            )
        except ApiUnavailableError:
            raise
        except ObjectGoneError:
            return {}
        except ApiError as error:
            _logger.warning("Secret not readable", secret=name, error=error.detail)
            return {}
        version = body["metadata"]["resourceVersion"]
        return dict.fromkeys(body.get("data") or {}, version)


def _ready(slices: Mapping[str, Mapping[str, Any]]) -> int:
    """Count the ready endpoints, each once however many slices name it."""
    found: set[str] = set()
    for each in slices.values():
        for endpoint in each.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                target = endpoint.get("targetRef") or {}
                found.add(target.get("uid") or endpoint["addresses"][0])
    return len(found)
