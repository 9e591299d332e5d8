"""Crews from a directory, read again whenever something in it changes."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import structlog
from watchfiles import awatch

from libs.crewspec.compiler import CompiledSet, InvalidDocumentsError, compile_set
from libs.crewspec.credentials import NO_CREDENTIALS, Credentials
from libs.crewspec.loader import load_directory
from libs.crewspec.packages import Packages
from services.orchestrator.crews.glance import Glance, identity_of, look_at
from services.orchestrator.crews.registry import CrewRegistry

__all__ = ["FileSource"]

_logger = structlog.get_logger(__name__)
_DEBOUNCE_MS = 200
_SETTLE_MS = 1_000
_LOST_SECONDS = 1


class FileSource:
    """Keeps a registry in step with a directory; a bad edit changes nothing."""

    def __init__(
        self,
        *,
        directory: Path,
        default_model: str,
        packages: Packages,
        registry: CrewRegistry,
        credentials: Credentials = NO_CREDENTIALS,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._directory = directory
        self._default_model = default_model
        self._packages = packages
        self._registry = registry
        self._credentials = credentials
        self._environment = environment
        self._seen: Glance | None = None

    async def load(self) -> None:
        """Read the directory once and accept or reject what it holds."""
        try:
            compiled = await asyncio.to_thread(self._compile)
        except InvalidDocumentsError as error:
            self._registry.reject(tuple(map(str, error.diagnostics)))
        else:
            self._registry.accept(compiled)

    async def follow(self, stop: asyncio.Event) -> None:
        """Read the directory again after every change, until told to stop.

        A directory that goes away, or is put in another's place, is looked for
        again.
        """
        while not stop.is_set():
            try:
                await self._follow_changes(stop)
                continue
            except (OSError, RuntimeError) as error:
                _logger.warning("crew documents are out of sight", error=str(error))
            except Exception:  # nobody else would follow them
                _logger.exception("crew documents are not followed")
            await self._load_if_changed()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOST_SECONDS)

    async def _follow_changes(self, stop: asyncio.Event) -> None:
        """Load after every change; returns when the directory is another or gone.

        Every second the files are looked at too, as well as told of: a change may
        have come before the watch, a renamed directory tells nobody, and some
        file systems never tell.
        """
        watched = await asyncio.to_thread(identity_of, self._directory)
        # No filter: a mounted ConfigMap changes by renaming a hidden link.
        async for changes in awatch(
            self._directory,
            watch_filter=None,
            stop_event=stop,
            step=_DEBOUNCE_MS // 4,
            debounce=_DEBOUNCE_MS,
            yield_on_timeout=True,
            rust_timeout=_SETTLE_MS,
        ):
            await self._load_if_changed(is_told=bool(changes))
            if await asyncio.to_thread(identity_of, self._directory) != watched:
                return

    async def _load_if_changed(self, *, is_told: bool = False) -> None:
        seen = await asyncio.to_thread(look_at, self._directory)
        if is_told or seen != self._seen:
            self._seen = seen
            await self.load()

    def _compile(self) -> CompiledSet:
        return compile_set(
            load_directory(self._directory),
            default_model=self._default_model,
            environment=self._environment,
            packages=self._packages,
            credentials=self._credentials,
            previous=self._registry.in_force,
        )
