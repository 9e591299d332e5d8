"""`GET /v1/streams/{stream}/live`: follow a stream as server-sent events."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from starlette.responses import Response

from services.api_gateway.socket.endpoints import live_services
from services.api_gateway.socket.services import LiveServices
from services.api_gateway.streams.event_stream import EventStreamResponse

__all__ = ["router"]

_EVENT_ID = re.compile(r"(?P<epoch>[^:\s]{1,64}):(?P<seq>\d{1,18})")


router = APIRouter(prefix="/v1/streams", tags=["streams"])


@router.get(
    "/{stream}/live",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def follow_stream(
    *,
    request: Request,
    services: Annotated[LiveServices, Depends(live_services)],
    stream: Annotated[str, Path(max_length=64)],
    after_seq: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    last_event_id: Annotated[str | None, Header(max_length=128)] = None,
) -> Response:
    """Follow a stream as server-sent events; `Last-Event-ID` beats `after_seq`.

    Begins with a `snapshot` event without a cursor, or with one that the log no
    longer answers. Ids are `<epoch>:<seq>`.
    """
    founder_id = await services.authenticate(request)
    epoch = None
    if last_event_id:
        epoch, after_seq = _cursor(last_event_id)
    response = EventStreamResponse(
        stream=stream,
        services=services,
        founder_id=founder_id,
        address=services.peers.address(request),
    )
    await response.open(after_seq=after_seq, epoch=epoch)
    return response


def _cursor(event_id: str) -> tuple[str | None, int | None]:
    """Read an id of ours; any other leads to a snapshot."""
    match = _EVENT_ID.fullmatch(event_id)
    return (match["epoch"], int(match["seq"])) if match else (None, None)
