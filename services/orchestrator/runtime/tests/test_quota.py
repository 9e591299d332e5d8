"""What a provider allows is kept to, shared fairly and given back."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from libs.crewspec.compiled import ModelDocument
from services.orchestrator.errors import (
    LLMError,
    LLMRateLimitedError,
    LLMUnauthorizedError,
    LLMUnavailableError,
)
from services.orchestrator.runtime.llm import breaker
from services.orchestrator.runtime.llm.breaker import CircuitBreaker
from services.orchestrator.runtime.llm.openai_compatible import OpenAICompatibleLLM
from services.orchestrator.runtime.llm.quota import Quota
from services.orchestrator.runtime.tests.plans import simulated_model
from services.orchestrator.runtime.tests.scripted_model import Reply, ScriptedModel

_MESSAGES = [{"role": "user", "content": "Hello"}]
_HELLO = Reply(pieces=("Hello",))
_A_MINUTE = 60.0


class _Callers:
    """Calls that take a slot and hold it until they are told to leave."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.served: list[str] = []
        self.most_at_once = 0
        self._leave: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._inside = 0

    def call(self, name: str, *, founder: str = "", tokens: int = 1) -> None:
        """Begin a call; its founder is the name's first letter by default."""
        self._leave[name] = asyncio.Event()
        holding = self._hold(name, founder or name[0], tokens)
        self._tasks[name] = asyncio.create_task(holding)

    def leave(self, name: str) -> None:
        """End a call that was served."""
        self._leave[name].set()

    def cancel(self, name: str) -> None:
        """Stop a call, wherever it is."""
        self._tasks[name].cancel()

    async def end(self) -> None:
        """Stop all calls."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _hold(self, name: str, founder: str, tokens: int) -> None:
        async with self.quota.slot(founder, tokens):
            self.served.append(name)
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
            try:
                await self._leave[name].wait()
            finally:
                self._inside -= 1


class _Time:
    """The loop's clock, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self._real = loop.time
        self._ahead = 0.0
        monkeypatch.setattr(loop, "time", lambda: self._real() + self._ahead)

    async def pass_by(self, seconds: float) -> None:
        """Let time pass and whoever waited for it run."""
        self._ahead += seconds
        await _settle()


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> _Time:
    """A clock that is ahead as far as it is told."""
    return _Time(monkeypatch)


async def _settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def _with(use: Callable[[_Callers], Awaitable[None]], **limits: int) -> _Callers:
    callers = _Callers(Quota(simulated_model(**limits)))
    try:
        await use(callers)
    finally:
        await callers.end()
    assert callers.quota.waiting == 0
    return callers


async def test_without_limits_nobody_waits() -> None:
    async def use(callers: _Callers) -> None:
        for number in range(200):
            callers.call(f"a{number}", tokens=1_000_000)
        await _settle()
        assert len(callers.served) == 200

    await _with(use)


async def test_a_greedy_founder_delays_another_s_call_by_one() -> None:
    async def use(callers: _Callers) -> None:
        for number in range(20):
            callers.call(f"g{number}")
        callers.call("other")
        await _settle()
        assert callers.served == ["g0", "g1"]
        callers.leave("g0")
        await _settle()
        assert callers.served == ["g0", "g1", "other"]

    callers = await _with(use, max_concurrent=2)
    assert callers.most_at_once == 2


async def test_founders_take_turns() -> None:
    async def use(callers: _Callers) -> None:
        for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
            callers.call(name)
        for _ in range(6):
            await _settle()
            callers.leave(callers.served[-1])
        await _settle()

    callers = await _with(use, max_concurrent=1)
    assert callers.served == ["a1", "b1", "c1", "a2", "b2", "a3"]


async def test_a_cancel_while_waiting_uses_up_nothing(clock: _Time) -> None:
    async def use(callers: _Callers) -> None:
        callers.call("first")
        await _settle()
        for number in range(50):
            callers.call(f"w{number}")
        await _settle()
        for number in range(50):
            callers.cancel(f"w{number}")
        await _settle()
        assert callers.quota.waiting == 0
        callers.call("next")
        await clock.pass_by(_A_MINUTE + 1)
        await asyncio.sleep(0.01)
        await _settle()
        assert callers.served == ["first", "next"]

    await _with(use, requests_per_minute=1)


async def test_a_cancel_in_the_moment_of_the_grant_gives_the_place_back() -> None:
    async def use(callers: _Callers) -> None:
        callers.call("a")
        await _settle()
        callers.call("b")
        callers.call("c")
        await _settle()
        callers.leave("a")
        await asyncio.sleep(0)
        callers.cancel("b")
        await _settle()
        assert callers.served[-1] == "c"

    await _with(use, max_concurrent=1)


async def test_all_may_be_cancelled_in_one_moment() -> None:
    """As at a shutdown: who leaves must not let in who is about to leave."""
    quota = Quota(simulated_model(max_concurrent=1))

    async def hold(founder: str) -> None:
        async with quota.slot(founder, 1):
            await asyncio.Event().wait()

    running = [asyncio.create_task(hold(founder)) for founder in "abcd"]
    await _settle()
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    assert all(task.cancelled() for task in running)
    assert quota.waiting == 0
    await asyncio.wait_for(_take(quota, 1), 5)


async def test_a_rate_lets_in_what_it_allows_and_then_one_by_one(clock: _Time) -> None:
    async def use(callers: _Callers) -> None:
        for number in range(10):
            callers.call(f"f{number}")
        await _settle()
        assert len(callers.served) == 6
        await clock.pass_by(10.5)
        callers.call("x")
        await _settle()
        assert len(callers.served) == 7

    await _with(use, requests_per_minute=6)


async def test_tokens_are_charged_as_they_were_used(clock: _Time) -> None:
    quota = Quota(simulated_model(tokens_per_minute=1_000))
    async with quota.slot("a", 100) as slot:
        slot.used_tokens = 1_600
    waiting = asyncio.create_task(_take(quota, 1))
    await _settle()
    assert not waiting.done()
    await clock.pass_by(30)
    assert not waiting.done(), "600 tokens of debt are 36 seconds"
    await clock.pass_by(7)
    other = asyncio.create_task(_take(quota, 1))
    await asyncio.wait((waiting, other), timeout=5)
    assert waiting.done()
    assert other.done()


async def test_no_claim_of_a_provider_closes_it_for_more_than_two_minutes(
    clock: _Time,
) -> None:
    quota = Quota(simulated_model(tokens_per_minute=1_000))
    async with quota.slot("a", 100) as slot:
        slot.used_tokens = 2**32 - 1
    waiting = asyncio.create_task(_take(quota, 1_000))
    await clock.pass_by(119)
    assert not waiting.done()
    await clock.pass_by(2)
    await asyncio.wait_for(waiting, 5)


async def test_a_call_larger_than_the_rate_is_made_when_the_rate_is_whole() -> None:
    quota = Quota(simulated_model(tokens_per_minute=10))
    await asyncio.wait_for(_take(quota, 10_000), 1)


async def _take(quota: Quota, tokens: int) -> None:
    async with quota.slot("founder", tokens):
        pass


async def test_a_failed_call_gives_its_place_back() -> None:
    quota = Quota(simulated_model(max_concurrent=1))
    for _ in range(3):
        with contextlib.suppress(LLMUnavailableError):
            async with quota.slot("a", 1):
                raise LLMUnavailableError("down")
    await asyncio.wait_for(_take(quota, 1), 1)


async def test_what_the_provider_asks_for_holds_back_every_call() -> None:
    limited = Reply(status=429, headers={"retry-after": "1"})
    loop = asyncio.get_running_loop()
    async with ScriptedModel(limited, _HELLO) as server:
        llm = OpenAICompatibleLLM(server.document())
        began = loop.time()
        first = asyncio.create_task(llm.acall("One"))
        while not server.requests:
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert await llm.acall("Two") == "Hello"
        waited = loop.time() - began
        assert await first == "Hello"
        await llm.aclose()
    assert waited >= 0.9
    assert len(server.requests) == 3


async def _fail_on(llm: OpenAICompatibleLLM) -> LLMError | None:
    try:
        await llm.complete(_MESSAGES, [], lambda _piece: None)
    except LLMError as error:
        return error
    return None


async def test_a_provider_that_is_down_is_left_alone_and_tried_again(
    clock: _Time,
) -> None:
    down = Reply(status=503)
    replies = [down] * (breaker.FAILURES + 1)
    async with ScriptedModel(*replies, _HELLO) as server:
        llm = OpenAICompatibleLLM(server.document(max_retries=0))
        for _ in range(breaker.FAILURES):
            assert isinstance(await _fail_on(llm), LLMUnavailableError)
        refused = await _fail_on(llm)
        assert isinstance(refused, LLMUnavailableError)
        assert refused.retryable
        assert 0 < (refused.retry_after_ms or 0) <= 5_000
        assert len(server.requests) == breaker.FAILURES
        await clock.pass_by(5.1)
        both = await asyncio.gather(_fail_on(llm), _fail_on(llm))
        assert all(isinstance(error, LLMUnavailableError) for error in both)
        assert len(server.requests) == breaker.FAILURES + 1, "one tries for all"
        await clock.pass_by(5.1)
        assert await _fail_on(llm), "it waits longer each time"
        await clock.pass_by(5.1)
        assert await _fail_on(llm) is None
        assert await _fail_on(llm) is None
        await llm.aclose()


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(status=429), LLMRateLimitedError),
        (Reply(status=401), LLMUnauthorizedError),
        (Reply(status=404), LLMUnavailableError),
        (Reply(pieces=("Hel",), is_cut=True), LLMUnavailableError),
    ],
)
async def test_a_provider_that_answers_is_not_down(
    reply: Reply, kind: type[LLMError]
) -> None:
    async with ScriptedModel(reply) as server:
        llm = OpenAICompatibleLLM(server.document(max_retries=0))
        for _ in range(breaker.FAILURES * 2):
            assert isinstance(await _fail_on(llm), kind)
        await llm.aclose()
    assert len(server.requests) == breaker.FAILURES * 2


async def test_a_cancelled_try_lets_another_one_try(clock: _Time) -> None:
    circuit = CircuitBreaker("small")
    for _ in range(breaker.FAILURES):
        circuit.check()
        circuit.note_failure(LLMUnavailableError("down"))
    with pytest.raises(LLMUnavailableError):
        circuit.check()
    await clock.pass_by(6)
    circuit.check()
    with pytest.raises(LLMUnavailableError):
        circuit.check()
    circuit.note_cancel()
    circuit.check()


async def test_a_cancel_while_waiting_for_the_quota_is_immediate() -> None:
    async with ScriptedModel(Reply(pieces=("Hel",), stalls=True)) as server:
        document: ModelDocument = server.document(max_concurrent=1)
        llm = OpenAICompatibleLLM(document)
        first = asyncio.create_task(llm.acall("One"))
        await server.has_sent.wait()
        second = asyncio.create_task(llm.acall("Two"))
        await _settle()
        second.cancel()
        async with asyncio.timeout(0.2):
            await asyncio.wait((second,))
        first.cancel()
        async with asyncio.timeout(0.2):
            await asyncio.wait((first,))
            await server.was_left.wait()
        await llm.aclose()
    assert second.cancelled()
    assert len(server.requests) == 1
