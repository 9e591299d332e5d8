"""`/v1/streams/{stream}/events`: the log, page by page."""

import json
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from services.api_gateway.dependencies import CurrentFounder, GatewayContext
from services.api_gateway.errors import CursorCompactedError, StreamUnknownError
from services.api_gateway.wire.base import WireModel
from services.api_gateway.wire.events import EventPage

__all__ = ["router"]

router = APIRouter(prefix="/v1/streams", tags=["streams"])


class EventsQuery(WireModel):
    """Which part of the log."""

    after_seq: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        default=0, description="Exclusive."
    )
    limit: Annotated[int, Field(ge=1, le=500)] = 200


@router.get("/{stream}/events", response_model=EventPage)
async def list_events(
    context: GatewayContext,
    founder: CurrentFounder,
    stream: str,
    query: Annotated[EventsQuery, Query()],
) -> Response:
    """Committed events after a cursor; 410 once the log was compacted past it."""
    if not await context.store.owns_stream(founder.founder_id, stream):
        raise StreamUnknownError(f"the founder has no stream {stream[:80]!r}")
    page = await context.store.log_page(stream, query.after_seq, query.limit)
    if query.after_seq < page.compacted_through:
        raise CursorCompactedError(
            f"the log begins after seq {page.compacted_through}; "
            "read the messages and go on from their last_seq"
        )
    # Events are kept as the JSON they are sent as; no need to parse them again.
    events = ",".join(event.frame for event in page.events)
    epoch = json.dumps(context.store.epoch)
    return Response(
        f'{{"events":[{events}],"last_seq":{page.last_seq},"epoch":{epoch}}}',
        media_type="application/json",
    )
