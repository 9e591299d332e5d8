"""Watches of all kinds by kopf: low-level events only, nothing written by it.

Kopf lists, watches and keeps watching; what it reads goes into the world at once.
It is told to leave everything else alone: no peering, no finalizers, no annotations,
no scanning of the cluster, no events.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
import kopf
import structlog

from libs.crewspec.documents import Kind
from services.operator.errors import WatchEndedError
from services.operator.health import WatchHealth
from services.operator.kubernetes import GROUP, PLURALS, REVISIONS_PLURAL, VERSION, Body

__all__ = ["Watch", "WatchEvent"]

_logger = structlog.get_logger(__name__)
_WORKERS: Final = 20
_IDLE_SECONDS: Final = 0.01
"""Handlers take microseconds: a worker that waits for more keeps others out."""
_BACKOFFS: Final = (0.5, *(1.0 for _ in range(300)))
"""An API server that is away is asked once a second, for five minutes."""
_EXIT_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 5.0
_KINDS: Final = {plural: kind for kind, plural in PLURALS.items()}

type WatchEvent = Callable[[Kind | None, Body, bool], None]
"""Takes a document's kind, None for a revision, the object, and whether it is gone."""


class Watch:
    """Kopf in this event loop; `wait` returns when it has ended by itself."""

    def __init__(
        self,
        *,
        namespaces: Collection[str],
        is_cluster_wide: bool,
        health: WatchHealth,
        on_event: WatchEvent,
        on_listed: Callable[[], None],
    ) -> None:
        self._namespaces = () if is_cluster_wide else tuple(namespaces)
        self._is_cluster_wide = is_cluster_wide
        self._health = health
        self._on_event = on_event
        self._on_listed = on_listed
        self._listed: set[str] = set()
        self._sessions: dict[kopf.ConnectionInfo, kopf.AiohttpSession] = {}
        self._tasks: Collection[asyncio.Task[Any]] = ()
        self._stop = asyncio.Event()

    async def start(self) -> None:
        """Begin to watch.

        Kopf takes the signals of the process for itself: whoever wants them takes
        them again afterwards.
        """
        self._tasks = await kopf.spawn_tasks(
            registry=self._registry(),
            settings=_settings(),
            standalone=True,
            clusterwide=self._is_cluster_wide,
            namespaces=self._namespaces,
            stop_flag=self._stop,
        )

    async def wait(self) -> None:
        """Wait until the watches end, which they do only when they have failed.

        Raises WatchEndedError.
        """
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        failed = [task.exception() for task in done if not task.cancelled()]
        reason = next(filter(None, failed), None)
        raise WatchEndedError(f"watches ended: {reason!r}") from reason

    async def stop(self) -> None:
        """End the watches."""
        self._stop.set()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._log_in)
        for plural in (*_KINDS, REVISIONS_PLURAL):
            kopf.on.event(GROUP, VERSION, plural, registry=registry)(self._take)
        return registry

    async def _take(
        self,
        *,
        event: Mapping[str, Any],
        resource: kopf.Resource,
        **_: object,
    ) -> None:
        kind = _KINDS.get(resource.plural)
        self._on_event(kind, dict(event["object"]), event["type"] == "DELETED")

    async def _log_in(self, **arguments: Any) -> kopf.AiohttpSession:  # noqa: ANN401 - kopf's, passed on
        """Open kopf's session with ears of our own on it."""
        info = kopf.login_with_service_account(
            **arguments
        ) or kopf.login_with_kubeconfig(**arguments)
        if not isinstance(info, kopf.ConnectionInfo):
            raise kopf.LoginError("neither a service account nor a KUBECONFIG")
        if info in self._sessions:
            # Kopf sees that it is the one that was refused, and gives up.
            return self._sessions[info]
        tracing = aiohttp.TraceConfig()
        tracing.on_request_end.append(self._heard)
        session = kopf.AiohttpSession(
            server=info.server,
            default_namespace=info.default_namespace,
            aiohttp_session=aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
                headers=info.as_http_headers(),
                trace_configs=[tracing],
            ),
        )
        self._sessions[info] = session
        return session

    async def _heard(
        self,
        _session: aiohttp.ClientSession,
        _context: SimpleNamespace,
        params: aiohttp.TraceRequestEndParams,
    ) -> None:
        path = params.url.path
        is_ours = path.rpartition("/")[2] in {*_KINDS, REVISIONS_PLURAL}
        if not is_ours or not params.response.ok:
            return
        if params.url.query.get("watch") == "true":
            self._health.opened(path, params.response.content)
        elif path in self._listed:
            # Kopf lost the thread and lists anew: it does not tell what is gone.
            _logger.info("listed anew", path=path)
            self._on_listed()
        else:
            self._listed.add(path)


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.process.ultimate_exiting_timeout = _EXIT_SECONDS
    settings.queueing.worker_limit = _WORKERS
    settings.queueing.idle_timeout = _IDLE_SECONDS
    settings.networking.enforce_retry_after = True
    settings.networking.error_backoffs = _BACKOFFS
    settings.networking.connect_timeout = 5.0
    settings.watching.inactivity_timeout = 70.0
    settings.watching.chunk_size = 200
    return settings
