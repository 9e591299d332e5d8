"""The edge to orchestrators: CrewDiscoveryService, spoken by the leader alone.

The only module here that knows protobuf. A stream has one reader and one writer;
it ends when the orchestrator neither reads nor answers, when the same orchestrator
opens another one, and when this replica no longer leads.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import grpc
import grpc.aio
import structlog
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from libs.crewspec.documents import Kind
from libs.errors import VentureBotsError
from libs.rpc import abort_on_error
from services.operator.errors import (
    InvalidSubscriptionError,
    NotLeadingError,
    ReplacedError,
    SlowReaderError,
)
from services.operator.fleet import Answer, Fleet, ProbeCall, Refusal
from services.operator.observed import DURATION_BOUNDS_MS, ProbeOutcome, RevisionStats
from services.operator.published import LiveDocument, News, Published, PublishedRevision
from services.operator.stored_object import ObjectName
from venturebots.crew.v1 import crew_discovery_pb2 as pb

__all__ = ["SERVICE_NAME", "Discovery", "bootstrap_text", "documents_in"]

SERVICE_NAME: Final = "venturebots.crew.v1.CrewDiscoveryService"
_logger = structlog.get_logger(__name__)
_PART_BYTES: Final = 3_000_000
_SUBSCRIBE_SECONDS: Final = 10.0
_WRITE_SECONDS: Final = 20.0
_MOST_UNANSWERED: Final = 16
_ANSWER_SECONDS: Final = 120.0
_LONGEST_TEXT: Final = 64_000
_PLACES: Final = len(DURATION_BOUNDS_MS) + 1

type _Context = grpc.aio.ServicerContext[Any, Any]


class _Link:
    """One stream: what is to be sent, and why it must end."""

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.ended: asyncio.Future[VentureBotsError] = (
            asyncio.get_running_loop().create_future()
        )
        self.nonce = 0
        self.answered = 0
        self.has_answered = asyncio.Event()
        self.lock = asyncio.Lock()
        self.probes: asyncio.Queue[ProbeCall] = asyncio.Queue()

    def end(self, reason: VentureBotsError) -> None:
        """Let the stream end with a status of its own."""
        if not self.ended.done():
            self.ended.set_result(reason)


class Discovery:
    """Answers the CrewDiscoveryService while it is open.

    `on_disconnect` takes the crews that an orchestrator served whose stream ended.
    """

    def __init__(
        self,
        *,
        home: str,
        published: Published,
        fleet: Fleet,
        on_disconnect: Callable[[frozenset[str]], None],
    ) -> None:
        self._home = home
        self._published = published
        self._fleet = fleet
        self._links: dict[str, _Link] = {}
        self._on_disconnect = on_disconnect
        self._is_open = False

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register the service.

        Requests come as bytes: gRPC would answer those it cannot read as UNKNOWN.
        """
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "StreamRevisions": grpc.stream_stream_rpc_method_handler(
                self.stream_revisions
            ),
        }
        handler = grpc.method_handlers_generic_handler(SERVICE_NAME, methods)
        server.add_generic_rpc_handlers((handler,))

    def open(self) -> None:
        """Take streams: what is published is all there is."""
        self._is_open = True

    def close(self) -> None:
        """End all streams and take none: this replica does not lead."""
        self._is_open = False
        for link in tuple(self._links.values()):
            link.end(NotLeadingError("this replica leads no longer: ask another"))

    async def stream_revisions(
        self, requests: AsyncIterator[bytes], context: _Context
    ) -> None:
        """Tell an orchestrator everything, then every change; hear its answers."""
        async with abort_on_error(context):
            if not self._is_open:
                raise NotLeadingError("this replica stands by: ask another")
            subscribe = await _subscription(requests)
            if not self._is_open:
                raise NotLeadingError("this replica stands by: ask another")
            await self._serve(subscribe, requests, context)

    async def _serve(
        self, subscribe: pb.Subscribe, requests: AsyncIterator[bytes], context: _Context
    ) -> None:
        link = self._connect(subscribe)
        tasks: set[asyncio.Future[Any]] = {
            asyncio.create_task(self._hear(link, requests), name="hear orchestrator"),
            asyncio.create_task(self._tell(link, context), name="tell orchestrator"),
            asyncio.create_task(self._probe(link, context), name="ask for probes"),
            link.ended,
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {link.ended}:
                task.result()
            if link.ended in done:
                raise link.ended.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._disconnect(link)

    def _connect(self, subscribe: pb.Subscribe) -> _Link:
        instance = subscribe.instance_id
        if before := self._links.get(instance):
            before.end(ReplacedError(f"{instance} opened another stream"))
            self._disconnect(before)
        link = self._links[instance] = _Link(instance)
        self._fleet.connect(
            instance,
            node=subscribe.node,
            version=subscribe.version,
            ask=link.probes.put_nowait,
        )
        _logger.info(
            "orchestrator connected",
            instance=instance,
            node=subscribe.node,
            orchestrator_version=subscribe.version,
        )
        return link

    def _disconnect(self, link: _Link) -> None:
        if self._links.get(link.instance) is not link:
            return
        del self._links[link.instance]
        self._on_disconnect(self._fleet.disconnect(link.instance))
        _logger.info("orchestrator disconnected", instance=link.instance)

    async def _tell(self, link: _Link, context: _Context) -> None:
        subscription = self._published.subscribe()
        try:
            while True:
                await _answers_come(link)
                news = await subscription.next()
                link.nonce += 1
                self._fleet.told(link.instance, link.nonce, news.digests())
                for part in _parts(news, nonce=link.nonce, home=self._home):
                    await _send(link, context, pb.StreamRevisionsResponse(update=part))
        finally:
            self._published.unsubscribe(subscription)

    async def _probe(self, link: _Link, context: _Context) -> None:
        while True:
            call = await link.probes.get()
            request = pb.ProbeRequest(
                probe_id=call.probe_id,
                crew=call.crew,
                digest=call.probe.digest,
                message=call.probe.message,
                timeout_seconds=call.probe.timeout_seconds,
            )
            message = pb.StreamRevisionsResponse(probe_request=request)
            await _send(link, context, message)

    async def _hear(self, link: _Link, requests: AsyncIterator[bytes]) -> None:
        async for encoded in requests:
            request = _decoded(encoded)
            match request.WhichOneof("payload"):
                case "ack":
                    self._answered(link, Answer(request.ack.nonce))
                case "nack":
                    self._answered(link, _answer(request.nack))
                case "stats":
                    self._counted(link, request.stats)
                case "probe_result":
                    result = request.probe_result
                    outcome = _outcome(result)
                    self._fleet.probed(link.instance, result.probe_id, outcome)
                case other:
                    message = f"{other!r} is not expected after the subscription"
                    raise InvalidSubscriptionError(message)

    def _answered(self, link: _Link, answer: Answer) -> None:
        link.answered = max(link.answered, answer.nonce)
        link.has_answered.set()
        for refusal in answer.refusals:
            _logger.warning(
                "orchestrator refuses",
                instance=link.instance,
                crew=refusal.crew,
                digest=refusal.digest,
                document=refusal.document,
                detail=refusal.detail,
            )
        self._fleet.answered(link.instance, answer)

    def _counted(self, link: _Link, stats: pb.Stats) -> None:
        durations = tuple(stats.durations)[:_PLACES]
        counted = RevisionStats(
            turns=stats.turns,
            errors=stats.errors,
            durations=durations + (0,) * (_PLACES - len(durations)),
        )
        self._fleet.counted(
            link.instance,
            crew=stats.crew,
            digest=stats.digest,
            candidate=stats.candidate_digest,
            stats=counted,
        )


def bootstrap_text(news: News, *, home: str) -> str:
    """Write all that a process begins with as the JSON of one whole update."""
    [update] = _parts(news, nonce=1, home=home, part_bytes=0)
    return json_format.MessageToJson(update, indent=None, sort_keys=True)


def documents_in(text: str) -> list[LiveDocument]:
    """Return the live documents of a bootstrap; none of one that is not understood."""
    try:
        update = json_format.Parse(text, pb.Update(), ignore_unknown_fields=True)
        return [
            LiveDocument(
                ObjectName(Kind(told.kind), told.name), told.generation, told.spec
            )
            for told in update.documents
        ]
    except (json_format.ParseError, RecursionError, ValueError) as error:
        _logger.warning("bootstrap not understood", detail=str(error))
        return []


async def _subscription(requests: AsyncIterator[bytes]) -> pb.Subscribe:
    try:
        async with asyncio.timeout(_SUBSCRIBE_SECONDS):
            encoded = await anext(requests)
    except (TimeoutError, StopAsyncIteration) as error:
        raise InvalidSubscriptionError("a stream begins with a subscription") from error
    request = _decoded(encoded)
    if (
        request.WhichOneof("payload") != "subscribe"
        or not request.subscribe.instance_id
    ):
        raise InvalidSubscriptionError("subscribe first, with an instance_id")
    return request.subscribe


def _decoded(encoded: bytes) -> pb.StreamRevisionsRequest:
    try:
        return pb.StreamRevisionsRequest.FromString(encoded)
    except DecodeError as error:
        raise InvalidSubscriptionError(f"this is no request: {error}") from error


async def _answers_come(link: _Link) -> None:
    """Wait while too many updates are unanswered; raises SlowReaderError."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            while link.nonce - link.answered >= _MOST_UNANSWERED:
                link.has_answered.clear()
                await link.has_answered.wait()
    except TimeoutError as error:
        raise SlowReaderError(f"{link.instance} answers nothing") from error


async def _send(link: _Link, context: _Context, message: Message) -> None:
    try:
        async with asyncio.timeout(_WRITE_SECONDS), link.lock:
            await context.write(message.SerializeToString())
    except TimeoutError as error:
        raise SlowReaderError(f"{link.instance} does not read") from error


def _parts(
    news: News, *, nonce: int, home: str, part_bytes: int = _PART_BYTES
) -> Iterator[pb.Update]:
    """Yield an update in parts of about `part_bytes`; in one when that is 0."""
    part, size = pb.Update(), 0
    for piece in _pieces(news):
        if part_bytes and size and size + piece.ByteSize() > part_bytes:
            yield _sealed(part, news, nonce=nonce, home=home, is_last=False)
            part, size = pb.Update(), 0
        part.MergeFrom(piece)
        size += piece.ByteSize()
    yield _sealed(part, news, nonce=nonce, home=home, is_last=True)


def _sealed(
    part: pb.Update, news: News, *, nonce: int, home: str, is_last: bool
) -> pb.Update:
    part.nonce, part.home = nonce, home
    part.is_whole, part.is_last = news.is_whole, is_last
    return part


def _pieces(news: News) -> Iterator[pb.Update]:
    for document in news.documents:
        yield pb.Update(documents=[_live_document(document)])
    for crew, revision in news.revisions:
        yield pb.Update(revisions=[_revision(crew, revision)])
    for each in news.assignments:
        assignment = pb.Assignment(
            crew=each.crew,
            stable_digest=each.stable_digest,
            candidate_digest=each.candidate_digest,
            candidate_weight=each.candidate_weight,
        )
        yield pb.Update(assignments=[assignment])
    removed = [
        pb.DocumentName(kind=name.kind.value, name=name.key)
        for name in news.removed_documents
    ]
    if news.removed_crews or removed:
        yield pb.Update(removed_crews=news.removed_crews, removed_documents=removed)


def _live_document(document: LiveDocument) -> pb.LiveDocument:
    return pb.LiveDocument(
        kind=document.name.kind.value,
        name=document.name.key,
        generation=document.generation,
        spec=document.spec,
    )


def _revision(crew: str, revision: PublishedRevision) -> pb.Revision:
    return pb.Revision(
        crew=crew,
        digest=revision.digest,
        content=revision.content,
        packages=revision.packages,
    )


def _answer(nack: pb.Nack) -> Answer:
    refusals = (
        Refusal(
            crew=each.crew,
            digest=each.digest,
            document=each.document,
            detail=each.detail,
        )
        for each in nack.refusals
    )
    return Answer(nack.nonce, tuple(refusals))


def _outcome(result: pb.ProbeResult) -> ProbeOutcome:
    return ProbeOutcome(
        text=result.text[:_LONGEST_TEXT],
        agents=tuple(result.agents),
        error=result.error,
        duration_ms=result.duration_ms,
        finished_at=datetime.now(UTC),
    )
