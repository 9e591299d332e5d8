"""One adapter per model document, shared by all runs of the process."""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import assert_never

from libs.crewspec.compiled import LiveDocuments, ModelDocument, ModelProviderKind
from services.orchestrator.errors import RunFailedError
from services.orchestrator.runtime.llm.addresses import AddressPolicy
from services.orchestrator.runtime.llm.base import StreamingLLM
from services.orchestrator.runtime.llm.openai_compatible import OpenAICompatibleLLM
from services.orchestrator.runtime.llm.simulated import SimulatedLLM

__all__ = ["ModelCatalogue"]


@dataclass(slots=True)
class _Entry:
    adapter: StreamingLLM
    runs: int = 0
    is_current: bool = True


class ModelCatalogue:
    """Makes adapters when they are first asked for.

    A changed document gets a new adapter; the old one is closed when the last run
    that began with it ends.
    """

    def __init__(
        self,
        *,
        salt: str | None,
        seed: int,
        has_faults: bool,
        addresses: AddressPolicy,
    ) -> None:
        self._salt = secrets.token_hex(8) if salt is None else salt
        self._seed = seed
        self._has_faults = has_faults
        self._addresses = addresses
        self._entries: dict[ModelDocument, _Entry] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @contextmanager
    def lease(self, live: LiveDocuments) -> Iterator[Callable[[str], StreamingLLM]]:
        """Adapters by model name for one run, kept open as long as it runs."""
        held: dict[str, _Entry] = {}

        def adapter_for(name: str) -> StreamingLLM:
            if name not in held:
                held[name] = self._take(live, name)
            return held[name].adapter

        try:
            yield adapter_for
        finally:
            for entry in held.values():
                entry.runs -= 1
                self._close_when_unused(entry)

    async def aclose(self) -> None:
        """Close every adapter."""
        entries = list(self._entries.values())
        self._entries.clear()
        for entry in entries:
            await entry.adapter.aclose()
        await asyncio.gather(*self._closing)

    def _take(self, live: LiveDocuments, name: str) -> _Entry:
        document = live.models.get(name)
        if document is None:
            raise RunFailedError(f"no model named {name!r} is in force")
        entry = self._entries.get(document)
        if entry is None:
            self._retire(document.name)
            entry = self._entries[document] = _Entry(self._create(document))
        entry.runs += 1
        return entry

    def _retire(self, name: str) -> None:
        """Let go of adapters made from earlier generations of a document."""
        for document, entry in list(self._entries.items()):
            if document.name == name:
                entry.is_current = False
                del self._entries[document]
                self._close_when_unused(entry)

    def _close_when_unused(self, entry: _Entry) -> None:
        if entry.runs or entry.is_current:
            return
        closing = asyncio.get_running_loop().create_task(entry.adapter.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _create(self, document: ModelDocument) -> StreamingLLM:
        match document.provider:
            case ModelProviderKind.SIMULATED:
                return SimulatedLLM(
                    document,
                    salt=self._salt,
                    seed=self._seed,
                    has_faults=self._has_faults,
                )
            case ModelProviderKind.OPENAI_COMPATIBLE:
                return OpenAICompatibleLLM(document, addresses=self._addresses)
            case _:
                assert_never(document.provider)
