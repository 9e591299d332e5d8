"""`/v1/sessions` and `/v1/messages`."""

from typing import Annotated

from fastapi import APIRouter, Query, status
from fastapi.responses import StreamingResponse

from services.api_gateway.dependencies import CurrentFounder, GatewayContext
from services.api_gateway.sessions.export import (
    MEDIA_TYPES,
    content_disposition,
    export_pieces,
)
from services.api_gateway.sessions.schemas import (
    ExportQuery,
    FeedbackAccepted,
    MessagesQuery,
    SearchQuery,
    SessionsQuery,
)
from services.api_gateway.wire.commands import (
    BranchSessionBody,
    CreateSessionBody,
    FeedbackBody,
    SendMessageBody,
    UpdateSessionBody,
)
from services.api_gateway.wire.views import (
    Accepted,
    Branched,
    MessagePage,
    SearchPage,
    SessionPage,
    SessionView,
)

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["sessions"])


@router.post("/sessions", status_code=status.HTTP_201_CREATED)
async def create_session(
    context: GatewayContext, founder: CurrentFounder, body: CreateSessionBody
) -> SessionView:
    """Begin a session; the coach speaks first unless `opening` is false."""
    result = await context.commands.create_session(founder.founder_id, body)
    return result.session


@router.get("/sessions")
async def list_sessions(
    context: GatewayContext,
    founder: CurrentFounder,
    query: Annotated[SessionsQuery, Query()],
) -> SessionPage:
    """The founder's sessions, pinned ones first, then the last used."""
    return await context.store.sessions(
        founder.founder_id,
        cursor=query.cursor,
        limit=query.limit,
        is_archived=query.archived,
        title_query=query.q or None,
    )


@router.get("/search")
async def search_sessions(
    context: GatewayContext,
    founder: CurrentFounder,
    query: Annotated[SearchQuery, Query()],
) -> SearchPage:
    """The founder's titles and messages with these words, the newest first."""
    await context.limits.charge_search(founder.founder_id)
    return await context.store.search(
        founder.founder_id, query=query.q, cursor=query.cursor, limit=query.limit
    )


@router.get("/sessions/{session_id}")
async def get_session(
    context: GatewayContext, founder: CurrentFounder, session_id: str
) -> SessionView:
    """One session."""
    return await context.store.session(founder.founder_id, session_id)


@router.patch("/sessions/{session_id}")
async def update_session(
    context: GatewayContext,
    founder: CurrentFounder,
    session_id: str,
    body: UpdateSessionBody,
) -> SessionView:
    """Rename, archive or pin; what is left out stays."""
    result = await context.commands.update_session(founder.founder_id, session_id, body)
    return result.session


@router.delete("/sessions/{session_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_session(
    context: GatewayContext, founder: CurrentFounder, session_id: str
) -> None:
    """Delete the session and its messages, for good."""
    await context.commands.delete_session(founder.founder_id, session_id, None)


@router.post("/sessions/{session_id}/branches", status_code=status.HTTP_201_CREATED)
async def branch_session(
    context: GatewayContext,
    founder: CurrentFounder,
    session_id: str,
    body: BranchSessionBody,
) -> Branched:
    """Begin a session with all that was said before a message, and say `text` in it."""
    return await context.commands.branch_session(founder.founder_id, session_id, body)


@router.post("/sessions/{session_id}/messages", status_code=status.HTTP_202_ACCEPTED)
async def send_message(
    context: GatewayContext,
    founder: CurrentFounder,
    session_id: str,
    body: SendMessageBody,
) -> Accepted:
    """Say something to the coach; stored before it is answered."""
    return await context.commands.send_message(founder.founder_id, session_id, body)


@router.get("/sessions/{session_id}/messages")
async def list_messages(
    context: GatewayContext,
    founder: CurrentFounder,
    session_id: str,
    query: Annotated[MessagesQuery, Query()],
) -> MessagePage:
    """Messages as they stand, oldest first."""
    return await context.store.messages(
        founder.founder_id,
        session_id,
        before_seq=query.before_seq,
        around_seq=query.around_seq,
        after_seq=query.after_seq,
        limit=query.limit,
    )


@router.get("/sessions/{session_id}/export", response_class=StreamingResponse)
async def export_session(
    context: GatewayContext,
    founder: CurrentFounder,
    session_id: str,
    query: Annotated[ExportQuery, Query()],
) -> StreamingResponse:
    """The whole session as a file."""
    session = await context.store.session(founder.founder_id, session_id)
    return StreamingResponse(
        export_pieces(context.store, founder.founder_id, session, query.format),
        media_type=MEDIA_TYPES[query.format],
        headers={"Content-Disposition": content_disposition(session, query.format)},
    )


@router.post("/messages/{message_id}/feedback")
async def rate_message(
    context: GatewayContext,
    founder: CurrentFounder,
    message_id: str,
    body: FeedbackBody,
) -> FeedbackAccepted:
    """Rate one of the coach's messages; `none` takes a rating back."""
    seq = await context.commands.rate_message(founder.founder_id, message_id, body)
    return FeedbackAccepted(message_id=message_id, seq=seq)
