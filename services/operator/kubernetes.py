"""The API server, as the operator uses it: kinds, requests, what answers mean."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import httpx2
import structlog
from lightkube import AsyncClient
from lightkube.generic_resource import (
    GenericNamespacedResource,
    create_namespaced_resource,
)

from libs.crewspec.documents import Kind
from services.operator.errors import (
    ApiConflictError,
    ApiError,
    ApiRefusedError,
    ApiUnavailableError,
    ObjectGoneError,
)
from services.operator.lease import LeaseRecord

__all__ = [
    "CONFIG_MAP",
    "CREW_REVISION",
    "DOCUMENTS",
    "ENDPOINT_SLICE",
    "EVENT",
    "FIELD_MANAGER",
    "GROUP",
    "PLURALS",
    "REVISIONS_PLURAL",
    "SECRET",
    "VERSION",
    "Body",
    "KubernetesLease",
    "Listing",
    "connect",
    "micro_time",
    "send",
]

type Body = dict[str, Any]
"""An object as JSON has it."""

FIELD_MANAGER: Final = "venturebots-operator"
GROUP: Final = "crew.venturebots.dev"
VERSION: Final = "v1alpha1"
PLURALS: Final[Mapping[Kind, str]] = {
    Kind.MODEL_PROVIDER: "modelproviders",
    Kind.TOOL: "tools",
    Kind.GUARDRAIL_POLICY: "guardrailpolicies",
    Kind.AGENT: "agents",
    Kind.CREW: "crews",
}
REVISIONS_PLURAL: Final = "crewrevisions"

DOCUMENTS: Final = {
    kind: create_namespaced_resource(GROUP, VERSION, kind.value, plural)
    for kind, plural in PLURALS.items()
}
CREW_REVISION: Final = create_namespaced_resource(
    GROUP, VERSION, "CrewRevision", REVISIONS_PLURAL
)
CONFIG_MAP: Final = create_namespaced_resource("", "v1", "ConfigMap", "configmaps")
SECRET: Final = create_namespaced_resource("", "v1", "Secret", "secrets")
EVENT: Final = create_namespaced_resource("events.k8s.io", "v1", "Event", "events")
ENDPOINT_SLICE: Final = create_namespaced_resource(
    "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"
)
_LEASE: Final = create_namespaced_resource(
    "coordination.k8s.io", "v1", "Lease", "leases"
)

_logger = structlog.get_logger(__name__)
_ATTEMPTS: Final = 4
_FIRST_DELAY_SECONDS: Final = 0.2
_LONGEST_DELAY_SECONDS: Final = 5.0
_PAGE: Final = 200


def connect(namespace: str) -> AsyncClient:
    """Open a client with the pod's service account, or else with KUBECONFIG."""
    return AsyncClient(
        namespace=namespace,
        field_manager=FIELD_MANAGER,
        timeout=httpx2.Timeout(10.0),
    )


async def send[T](request: Callable[[], Awaitable[T]], *, about: str) -> T:
    """Make a request, again when the API server asks to come back a little later.

    Raises an ApiError that says what it was about.
    """
    delay = _FIRST_DELAY_SECONDS
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await request()
        except httpx2.HTTPStatusError as error:
            failed = _translated(error, about)
            if not isinstance(failed, ApiUnavailableError) or attempt == _ATTEMPTS:
                raise failed from error
            told = _retry_after(error.response)
            delay = delay * 2 if told is None else told
            if delay > _LONGEST_DELAY_SECONDS:
                raise failed from error
        except httpx2.HTTPError as error:
            raise ApiUnavailableError(f"{about}: {error!r}") from error
        await asyncio.sleep(delay)
    raise AssertionError  # the last attempt returns or raises


class Listing:
    """All objects of a kind, in pages: the memory of all is never needed at once.

    `version` is the resourceVersion of the whole, known once it was gone through.
    """

    def __init__(
        self,
        client: AsyncClient,
        resource: type[GenericNamespacedResource],
        *,
        namespace: str,
    ) -> None:
        self._objects = client.list(resource, namespace=namespace, chunk_size=_PAGE)
        self._about = f"list {resource.__name__}"

    @property
    def version(self) -> int:
        """The resourceVersion; raises lightkube's NotReadyError too early."""
        return int(self._objects.resourceVersion)

    async def __aiter__(self) -> AsyncIterator[Body]:
        """Yield the objects; raises ApiError."""
        try:
            async for body in self._objects:
                yield body
        except httpx2.HTTPStatusError as error:
            raise _translated(error, self._about) from error
        except httpx2.HTTPError as error:
            raise ApiUnavailableError(f"{self._about}: {error!r}") from error


class KubernetesLease:
    """The Lease of a namespace, as `lease.LeaseStore` wants it."""

    def __init__(self, client: AsyncClient, *, name: str, namespace: str) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self._about = f"Lease {namespace}/{name}"

    async def read(self) -> LeaseRecord | None:
        """Return the Lease, None when there is none."""
        try:
            body: Body = await self._once(
                self._client.get(_LEASE, self._name, namespace=self._namespace)
            )
        except ObjectGoneError:
            return None
        return _lease_record(body)

    async def create(self, record: LeaseRecord) -> LeaseRecord:
        """Make the Lease; raises ApiConflictError when there is one."""
        body = _LEASE.from_dict(self._body(record))
        return _lease_record(await self._once(self._client.create(body)))

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        """Write the Lease over `record.version`; raises ApiConflictError."""
        body = _LEASE.from_dict(self._body(record))
        return _lease_record(await self._once(self._client.replace(body)))

    async def _once(self, request: Awaitable[Body]) -> Body:
        # Not `send`: the election itself tries again, and knows how long it may.
        try:
            return await request
        except httpx2.HTTPStatusError as error:
            raise _translated(error, self._about) from error
        except httpx2.HTTPError as error:
            raise ApiUnavailableError(f"{self._about}: {error!r}") from error

    def _body(self, record: LeaseRecord) -> Body:
        metadata = {"name": self._name, "namespace": self._namespace}
        if record.version:
            metadata["resourceVersion"] = record.version
        return {
            "metadata": metadata,
            "spec": {
                "holderIdentity": record.holder,
                "leaseDurationSeconds": max(1, round(record.lease_seconds)),
                "acquireTime": micro_time(record.acquired_at),
                "renewTime": micro_time(record.renewed_at),
                "leaseTransitions": record.transitions,
            },
        }


def _lease_record(body: Mapping[str, Any]) -> LeaseRecord:
    spec = body.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        lease_seconds=spec.get("leaseDurationSeconds") or 1,
        acquired_at=_moment(spec.get("acquireTime")),
        renewed_at=_moment(spec.get("renewTime")),
        transitions=spec.get("leaseTransitions") or 0,
        version=body["metadata"]["resourceVersion"],
    )


def micro_time(moment: datetime) -> str:
    """Write a moment in UTC as the API server's MicroTime wants it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else datetime.fromtimestamp(0, UTC)


def _translated(error: httpx2.HTTPStatusError, about: str) -> ApiError:
    response = error.response
    code = response.status_code
    detail = f"{about}: {code} {error}"
    match code:
        case HTTPStatus.NOT_FOUND:
            return ObjectGoneError(detail)
        case HTTPStatus.CONFLICT:
            return ApiConflictError(detail)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return ApiUnavailableError(detail)
        case _ if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return ApiUnavailableError(detail)
        case _:
            return ApiRefusedError(detail)


def _retry_after(response: httpx2.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None
