"""A whole session as Markdown or JSON, read and sent page by page."""

import re
import unicodedata
from collections.abc import AsyncIterator

from services.api_gateway.sessions.schemas import ExportFormat
from services.api_gateway.store import Store
from services.api_gateway.wire.views import (
    MessageStatus,
    MessageView,
    Role,
    SessionView,
)

__all__ = ["MEDIA_TYPES", "content_disposition", "export_pieces"]

MEDIA_TYPES = {
    ExportFormat.MARKDOWN: "text/markdown; charset=utf-8",
    ExportFormat.JSON: "application/json",
}

_PAGE = 100
_SLUG_LENGTH = 48
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
# Everything CommonMark gives a meaning inside a line.
_MARKDOWN_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&$^=:])")
# The line endings of CommonMark, and those other renderers take for one.
_LINE_ENDINGS = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
_SPEAKERS = {Role.FOUNDER: "You", Role.COACH: "Coach"}


def content_disposition(session: SessionView, export_format: ExportFormat) -> str:
    """Name the file after the session, in characters every system takes."""
    plain = unicodedata.normalize("NFKD", session.title).encode("ascii", "ignore")
    slug = _NOT_SLUG.sub("-", plain.decode().lower())[:_SLUG_LENGTH].strip("-")
    name = "-".join(filter(None, ("venturebots", slug, session.session_id[:8])))
    return f'attachment; filename="{name}.{export_format}"'


def export_pieces(
    store: Store, founder_id: str, session: SessionView, export_format: ExportFormat
) -> AsyncIterator[str]:
    """The file in pieces; memory holds one page of messages at a time."""
    messages = _messages(store, founder_id, session.session_id)
    match export_format:
        case ExportFormat.MARKDOWN:
            return _markdown(session, messages)
        case ExportFormat.JSON:
            return _json(session, messages)


async def _messages(
    store: Store, founder_id: str, session_id: str
) -> AsyncIterator[MessageView]:
    """Every message in the order of the talk.

    The store pages backwards, so the first walk only notes where pages begin.
    """
    starts: list[int] = []
    before_seq: int | None = None
    last_seq = 0
    while True:
        page = await store.messages(
            founder_id, session_id, before_seq=before_seq, limit=_PAGE
        )
        last_seq = last_seq or page.last_seq
        if not page.has_more or not page.messages:
            break
        before_seq = page.messages[0].seq
        starts.append(before_seq)
    for end in [*reversed(starts), last_seq + 1]:
        page = await store.messages(founder_id, session_id, before_seq=end, limit=_PAGE)
        for message in page.messages:
            yield message


async def _json(
    session: SessionView, messages: AsyncIterator[MessageView]
) -> AsyncIterator[str]:
    yield f'{{"session": {session.model_dump_json()},\n"messages": ['
    separator = "\n"
    async for message in messages:
        yield separator + message.model_dump_json()
        separator = ",\n"
    yield "\n]}\n"


async def _markdown(
    session: SessionView, messages: AsyncIterator[MessageView]
) -> AsyncIterator[str]:
    title = _escaped(" ".join(session.title.split())) or "A talk with the coach"
    yield f"# {title}\n\nBegun {session.created_at}\n"
    async for message in messages:
        yield _markdown_message(message)


def _markdown_message(message: MessageView) -> str:
    """A heading of ours, then the text as a quote.

    Every line of the text begins with `>`, so nothing in it can pass for a
    heading of ours or end the quote.
    """
    label = _SPEAKERS[message.role]
    if message.status is not MessageStatus.COMPLETE:
        label += f" ({message.status})"
    quoted = "\n".join(f"> {line}" for line in _LINE_ENDINGS.split(message.text))
    return f"\n## {label}, {message.created_at}\n\n{quoted}\n"


def _escaped(text: str) -> str:
    return _MARKDOWN_MARKS.sub(r"\\\1", text)
