"""The ConfigMap that orchestrators start from when the operator does not answer."""

import asyncio
from typing import Final

import structlog

from services.operator.apply import Subject, Writer
from services.operator.discovery import bootstrap_text, documents_in
from services.operator.errors import ApiError
from services.operator.metrics import Metrics
from services.operator.plan import EventToTell, EventType
from services.operator.published import News, Published

__all__ = ["Bootstrap"]

_logger = structlog.get_logger(__name__)
_MOST_BYTES: Final = 900_000
"""An object of the API server holds about a megabyte."""
_TOGETHER_SECONDS: Final = 0.5
"""Crews of one change become stable one after another."""


class Bootstrap:
    """Writes what is stable whenever it is another, at most every few seconds.

    When that is too large the ConfigMap is left as it was, and that is told.
    """

    def __init__(
        self,
        *,
        name: str,
        home: str,
        seconds: float,
        published: Published,
        writer: Writer,
        metrics: Metrics,
    ) -> None:
        self._name = name
        self._home = home
        self._seconds = seconds
        self._published = published
        self._writer = writer
        self._metrics = metrics
        self._is_too_large = False
        self._written: str | None = None

    async def learn(self) -> None:
        """Read what the last leader wrote; before anything else, or raise ApiError."""
        self._written = await self._writer.read_bootstrap(self._name, self._home)

    def recall(self) -> None:
        """Let deleted documents that crews are served with outlive the last leader."""
        known = set(self._published.document_names())
        for document in documents_in(self._written) if self._written else ():
            if document.name not in known:
                self._published.put_document(document)
                self._published.withdraw_document(document.name)

    async def run(self) -> None:
        """Write for ever, or until this replica must not: NotLeadingError."""
        while True:
            await self._published.stable_changed.wait()
            await asyncio.sleep(min(_TOGETHER_SECONDS, self._seconds))
            await self.flush()
            await asyncio.sleep(self._seconds)

    async def flush(self) -> None:
        """Write what has changed, if anything has; raises NotLeadingError."""
        if not self._published.stable_changed.is_set():
            return
        self._published.stable_changed.clear()
        try:
            self._written = await self._write(self._written)
        except ApiError as error:
            _logger.warning("bootstrap not written", detail=error.detail)
            self._published.stable_changed.set()

    async def _write(self, written: str | None) -> str | None:
        """Write what is stable unless it is what was written; return what is there."""
        news = self._published.stable()
        text = "" if _is_larger(news) else bootstrap_text(news, home=self._home)
        if not text or len(text.encode()) > _MOST_BYTES:
            await self._tell_too_large()
            return written
        self._is_too_large = False
        self._metrics.bootstrap_too_large.set(0)
        if text != written:
            await self._writer.write_bootstrap(self._name, self._home, text)
        return text

    async def _tell_too_large(self) -> None:
        self._metrics.bootstrap_too_large.set(1)
        if self._is_too_large:
            return
        self._is_too_large = True
        message = (
            f"the stable crews and their documents exceed {_MOST_BYTES:,} bytes:"
            " the ConfigMap stays as it was"
        )
        _logger.error("bootstrap too large", config_map=self._name, detail=message)
        subject = Subject("v1", "ConfigMap", self._home, self._name, uid="")
        event = EventToTell(EventType.WARNING, "BootstrapTooLarge", message)
        await self._writer.tell_event(subject, event)


def _is_larger(news: News) -> bool:
    """Tell without writing it whether an update is surely too large."""
    contents = sum(len(revision.content) for _, revision in news.revisions)
    specs = sum(len(document.spec) for document in news.documents)
    return contents + specs > _MOST_BYTES
