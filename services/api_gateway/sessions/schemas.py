"""Query parameters and answers that only these routes have."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from services.api_gateway.wire.base import MAX_TITLE, Identifier, ViewModel, WireModel

__all__ = [
    "ExportFormat",
    "ExportQuery",
    "FeedbackAccepted",
    "MessagesQuery",
    "SessionsQuery",
]

PageLimit = Annotated[int, Field(ge=1, le=100)]


class SessionsQuery(WireModel):
    """Which sessions to list."""

    cursor: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="`next_cursor` of the page before."
    )
    limit: PageLimit = 30
    archived: bool = False
    q: Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=MAX_TITLE)
    ] = Field(default="", description="Part of the title; case does not matter.")


class MessagesQuery(WireModel):
    """Which messages to show."""

    before_seq: Annotated[int, Field(ge=1, lt=2**63)] | None = Field(
        default=None, description="Exclusive; absent: the last ones."
    )
    limit: PageLimit = 50


class ExportFormat(StrEnum):
    """How a session is exported."""

    MARKDOWN = "md"
    JSON = "json"


class ExportQuery(WireModel):
    """How to export."""

    format: ExportFormat = ExportFormat.MARKDOWN


class FeedbackAccepted(ViewModel):
    """The rating is stored."""

    message_id: Identifier
    seq: int
