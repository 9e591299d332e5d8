"""An orchestrator that runs nothing: it takes what it is told and answers."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import grpc.aio

from venturebots.crew.v1 import crew_discovery_pb2 as pb
from venturebots.crew.v1 import crew_discovery_pb2_grpc as pb_grpc

__all__ = ["PlayedOrchestrator"]

type _Call = grpc.aio.StreamStreamCall[
    pb.StreamRevisionsRequest, pb.StreamRevisionsResponse
]

_RETRY_SECONDS = 0.1


class PlayedOrchestrator:
    """Dials replicas in turn, as an orchestrator does, and keeps what it is told.

    With `refuses_news` it says that it cannot run what it has not had; `reply` is what
    its probes say.
    """

    def __init__(self, instance: str, addresses: Sequence[str]) -> None:
        self.instance = instance
        self.refuses_news = False
        self._refused: set[str] = set()
        self.reply: str = "Hello, founder."
        self.agents: tuple[str, ...] = ()
        self.assignments: dict[str, pb.Assignment] = {}
        self.contents: dict[str, str] = {}
        self.documents: dict[tuple[str, str], pb.LiveDocument] = {}
        self.served: set[str] = set()
        """Crews that once had a trusted revision."""
        self.updates = 0
        self.wholes = 0
        self.probed: list[pb.ProbeRequest] = []
        self.statuses: list[grpc.StatusCode] = []
        self._addresses = list(addresses)
        self._to_say: asyncio.Queue[pb.StreamRevisionsRequest] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def until(
        self, found: Callable[[Self], object], *, seconds: float = 30
    ) -> None:
        """Wait until what it was told is as looked for."""
        async with asyncio.timeout(seconds):
            while not found(self):
                self._changed.clear()
                await self._changed.wait()

    async def until_contents(self, number: int) -> None:
        """Wait until it was told so many revisions."""
        await self.until(lambda told: len(told.contents) >= number)

    async def until_stable(self, crew: str, digest: str) -> None:
        """Wait until it serves a revision of a crew to everybody."""
        await self.until(lambda told: told.stable().get(crew) == digest)

    def count(self, crew: str, digest: str, *, turns: int, errors: int = 0) -> None:
        """Tell how the runs of a revision fared."""
        stats = pb.Stats(
            crew=crew,
            digest=digest,
            candidate_digest=self.assignments[crew].candidate_digest,
            turns=turns,
            errors=errors,
            durations=[0, 0, turns],
        )
        self._to_say.put_nowait(pb.StreamRevisionsRequest(stats=stats))

    def stable(self) -> Mapping[str, str]:
        """Return the trusted digest of each crew."""
        return {name: each.stable_digest for name, each in self.assignments.items()}

    async def _run(self) -> None:
        while True:
            for address in self._addresses:
                async with grpc.aio.insecure_channel(address) as channel:
                    with suppress(grpc.aio.AioRpcError):
                        await self._follow(pb_grpc.CrewDiscoveryServiceStub(channel))
            await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self, stub: "pb_grpc.CrewDiscoveryServiceAsyncStub") -> None:
        self._to_say = asyncio.Queue()
        subscribe = pb.Subscribe(
            instance_id=self.instance, version="test", node=self.instance
        )
        self._to_say.put_nowait(pb.StreamRevisionsRequest(subscribe=subscribe))
        call = stub.StreamRevisions()
        saying = asyncio.create_task(self._say(call))
        parts: list[pb.Update] = []
        try:
            async for response in call:
                if response.HasField("probe_request"):
                    self._probe(response.probe_request)
                    continue
                parts.append(response.update)
                if response.update.is_last:
                    self._take(parts)
                    parts = []
        except grpc.aio.AioRpcError as error:
            self.statuses.append(error.code())
            raise
        finally:
            call.cancel()
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)

    async def _say(self, call: _Call) -> None:
        while True:
            await call.write(await self._to_say.get())

    def _take(self, parts: Sequence[pb.Update]) -> None:
        self.updates += 1
        if parts[0].is_whole:
            self.wholes += 1
            self.assignments.clear()
            self.documents.clear()
        for part in parts:
            self._take_crews(part)
            for document in part.documents:
                self.documents[document.kind, document.name] = document
            for gone in part.removed_documents:
                self.documents.pop((gone.kind, gone.name), None)
        self._answer(parts[-1].nonce)
        self._changed.set()

    def _take_crews(self, part: pb.Update) -> None:
        for revision in part.revisions:
            if self.refuses_news and revision.digest not in self.contents:
                self._refused.add(revision.digest)
            self.contents[revision.digest] = revision.content
        for each in part.assignments:
            self.assignments[each.crew] = each
            if each.stable_digest:
                self.served.add(each.crew)
        for crew in part.removed_crews:
            self.assignments.pop(crew, None)

    def _answer(self, nonce: int) -> None:
        # Looking through thousands of crews at every update would be most of the work.
        refusals = (
            []
            if not self._refused
            else [
                pb.Refusal(crew=crew, digest=digest, detail="it cannot be run here")
                for crew, each in self.assignments.items()
                for digest in (each.stable_digest, each.candidate_digest)
                if digest in self._refused
            ]
        )
        answer = (
            pb.StreamRevisionsRequest(nack=pb.Nack(nonce=nonce, refusals=refusals))
            if refusals
            else pb.StreamRevisionsRequest(ack=pb.Ack(nonce=nonce))
        )
        self._to_say.put_nowait(answer)

    def _probe(self, request: pb.ProbeRequest) -> None:
        self.probed.append(request)
        result = pb.ProbeResult(
            probe_id=request.probe_id,
            text=self.reply,
            agents=self.agents,
            duration_ms=20,
        )
        self._to_say.put_nowait(pb.StreamRevisionsRequest(probe_result=result))
        self._changed.set()
