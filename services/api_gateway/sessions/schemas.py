"""Query parameters and answers that only these routes have."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from services.api_gateway.wire.base import (
    MAX_TEXT,
    MAX_TITLE,
    Identifier,
    ViewModel,
    WireModel,
)

__all__ = [
    "ExportFormat",
    "ExportQuery",
    "FeedbackAccepted",
    "MessagesQuery",
    "SearchQuery",
    "SessionsQuery",
]

Seq = Annotated[int, Field(ge=1, lt=2**62)]
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
    """Which messages to show: the last ones, or those at one seq."""

    before_seq: Seq | None = Field(default=None, description="Older ones; exclusive.")
    around_seq: Seq | None = Field(
        default=None, description="As many older as newer ones, and the one itself."
    )
    after_seq: Seq | None = Field(default=None, description="Newer ones; exclusive.")
    limit: PageLimit = 50

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        places = (self.before_seq, self.around_seq, self.after_seq)
        if sum(place is not None for place in places) > 1:
            message = "one of before_seq, around_seq and after_seq at most"
            raise ValueError(message)
        return self


class SearchQuery(WireModel):
    """What to look for."""

    q: Annotated[str, StringConstraints(max_length=MAX_TEXT)] = Field(
        default="", description="Words, or how they begin; all have to be found."
    )
    cursor: Annotated[str, Field(max_length=32)] | None = Field(
        default=None, description="`next_cursor` of the page before."
    )
    limit: Annotated[int, Field(ge=1, le=50)] = 20


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
