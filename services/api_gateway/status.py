"""`/v1/status` for people, `/healthz` and `/readyz` for platforms."""

from importlib.metadata import version

from fastapi import APIRouter, Response, status
from pydantic import Field

from libs.errors import VentureBotsError
from services.api_gateway.dependencies import CurrentFounder, GatewayContext
from services.api_gateway.runs.directory import Orchestrator
from services.api_gateway.wire.base import ViewModel

__all__ = ["VERSION", "GatewayStatus", "router"]

VERSION = version("venturebots")

router = APIRouter(tags=["status"])


class StoreView(ViewModel):
    """Whether what is said can be stored."""

    writable: bool
    version: str = Field(description="Of the schema.")
    detail: str


class CrewView(ViewModel):
    """A crew and the revision in force."""

    name: str
    digest: str


class OrchestratorView(ViewModel):
    """An orchestrator as it was last seen."""

    address: str
    ready: bool
    instance_id: str | None = None
    version: str | None = None
    active_runs: int = 0
    queued_runs: int = 0
    crews: list[CrewView] = []
    rejected: list[str] = Field(
        default=[],
        description="Why the newest configuration was refused; empty: it is in force.",
    )


class GatewayStatus(ViewModel):
    """How the product is."""

    version: str
    epoch: str
    draining: bool
    store: StoreView
    orchestrators: list[OrchestratorView]


@router.get("/v1/status")
async def get_status(
    context: GatewayContext, _founder: CurrentFounder
) -> GatewayStatus:
    """Whether messages can be stored and who would answer them."""
    store = await context.probe.status()
    return GatewayStatus(
        version=VERSION,
        epoch=context.store.epoch,
        draining=context.draining.is_set(),
        store=StoreView(
            writable=store.is_writable, version=store.schema, detail=store.detail
        ),
        orchestrators=[
            _orchestrator_view(seen) for seen in context.runs.orchestrators()
        ],
    )


@router.get("/healthz", include_in_schema=False)
async def healthz() -> Response:
    """The process answers."""
    return Response("ok\n", media_type="text/plain")


@router.get("/readyz", include_in_schema=False)
async def readyz(context: GatewayContext) -> Response:
    """The database is migrated and readable and the process is not stopping."""
    if context.draining.is_set():
        return _not_ready("draining")
    try:
        await context.store.founder_by_token("")
    except VentureBotsError as error:
        return _not_ready(error.code)
    return Response("ready\n", media_type="text/plain")


def _not_ready(reason: str) -> Response:
    return Response(
        f"{reason}\n",
        status_code=status.HTTP_503_SERVICE_UNAVAILABLE,
        media_type="text/plain",
    )


def _orchestrator_view(seen: Orchestrator) -> OrchestratorView:
    told = seen.description
    if told is None:
        return OrchestratorView(address=seen.address, ready=False)
    return OrchestratorView(
        address=seen.address,
        ready=told.is_ready,
        instance_id=told.instance_id,
        version=told.version,
        active_runs=told.active_runs,
        queued_runs=told.queued_runs,
        crews=[CrewView(name=crew.name, digest=crew.digest) for crew in told.crews],
        rejected=list(told.rejected),
    )
