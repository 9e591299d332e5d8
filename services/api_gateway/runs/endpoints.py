"""`/v1/runs`: look at a run, stop it, try it again."""

from fastapi import APIRouter, status

from services.api_gateway.dependencies import CurrentFounder, GatewayContext
from services.api_gateway.wire.commands import CancelRunBody, RetryRunBody
from services.api_gateway.wire.views import RunAccepted, RunView

__all__ = ["router"]

router = APIRouter(prefix="/v1/runs", tags=["runs"])


@router.get("/{run_id}")
async def get_run(
    context: GatewayContext, founder: CurrentFounder, run_id: str
) -> RunView:
    """One run as it stands."""
    return await context.store.run(founder.founder_id, run_id)


@router.post("/{run_id}/cancel", status_code=status.HTTP_202_ACCEPTED)
async def cancel_run(
    context: GatewayContext, founder: CurrentFounder, run_id: str, body: CancelRunBody
) -> RunAccepted:
    """Stop a run; what was written stays. Its end comes on the stream."""
    return await context.commands.cancel_run(founder.founder_id, run_id, body)


@router.post("/{run_id}/retry", status_code=status.HTTP_202_ACCEPTED)
async def retry_run(
    context: GatewayContext, founder: CurrentFounder, run_id: str, body: RetryRunBody
) -> RunAccepted:
    """Run the session's last run again after it failed or was stopped."""
    return await context.commands.retry_run(founder.founder_id, run_id, body)
