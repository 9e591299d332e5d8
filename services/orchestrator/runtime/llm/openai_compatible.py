"""Any server that speaks OpenAI's chat completions, over one shared client."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, override

import httpx
from pydantic import PrivateAttr

from libs.crewspec.compiled import ModelDocument
from services.orchestrator.errors import (
    LLMBadOutputError,
    LLMContextExceededError,
    LLMError,
    LLMTimeoutError,
    LLMUnavailableError,
)
from services.orchestrator.runtime.llm.addresses import (
    AddressPolicy,
    Resolve,
    resolve,
)
from services.orchestrator.runtime.llm.api_key import ApiKey
from services.orchestrator.runtime.llm.base import (
    ChatMessage,
    Completion,
    StreamingLLM,
)
from services.orchestrator.runtime.llm.breaker import CircuitBreaker
from services.orchestrator.runtime.llm.chat_chunks import ChatCompletionReader
from services.orchestrator.runtime.llm.http_transport import StreamingTransport
from services.orchestrator.runtime.llm.provider_errors import (
    error_from_status,
    is_worth_a_retry,
)
from services.orchestrator.runtime.llm.sse import SSEParser, SSETooLongError
from services.orchestrator.runtime.llm.window import tokens_of, without_oldest
from services.orchestrator.runtime.scope import TokenTap, current_step

__all__ = ["OpenAICompatibleLLM"]

MAX_RETRY_WAIT_SECONDS = 10.0
_FIRST_BACKOFF_SECONDS = 0.5
_MAX_ERROR_BYTES = 16_384
_MAX_BODY_BYTES = 4_194_304
_HEADERS = {
    "Accept": "text/event-stream, application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "venturebots",
}


class _RetryableError(Exception):
    """Nothing of the answer came yet, and the same request may succeed."""

    def __init__(self, error: LLMError) -> None:
        super().__init__(error.detail)
        self.error = error


class OpenAICompatibleLLM(StreamingLLM):
    """Streams chat completions; retries only before the first token."""

    _transport: StreamingTransport = PrivateAttr()
    _api_key: ApiKey = PrivateAttr()
    _breaker: CircuitBreaker = PrivateAttr()
    _url: httpx.URL = PrivateAttr()

    def __init__(
        self,
        document: ModelDocument,
        *,
        addresses: AddressPolicy | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        super().__init__(document)
        if document.endpoint is None:
            raise LLMUnavailableError(f"model {document.name!r} has no endpoint")
        self._url = httpx.URL(f"{document.endpoint.rstrip('/')}/chat/completions")
        self._api_key = ApiKey(document)
        self._breaker = CircuitBreaker(document.name)
        # No client around it: cookies, redirects, a proxy or .netrc of the
        # environment are what a key must not meet, and half of a request's cost.
        self._transport = StreamingTransport(
            connect_timeout_seconds=document.connect_timeout_seconds,
            addresses=addresses or AddressPolicy(),
            resolve=resolve,
        )

    @override
    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    @override
    async def complete(
        self,
        messages: list[ChatMessage],
        tools: list[dict[str, Any]],
        tap: TokenTap,
        *,
        max_tokens: int | None = None,
    ) -> Completion:
        """Ask, and ask again while nothing came and it may help."""
        limit = asyncio.timeout(self.document.total_timeout_seconds)
        try:
            async with limit:
                return await self._with_retries(messages, tools, tap, max_tokens)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise LLMTimeoutError(f"{self._provider} took too long") from error

    async def _with_retries(
        self,
        messages: list[ChatMessage],
        tools: list[dict[str, Any]],
        tap: TokenTap,
        max_tokens: int | None,
    ) -> Completion:
        for attempt in range(self.document.max_retries + 1):
            body = self._body(messages, tools, max_tokens)
            try:
                return await self._guarded_attempt(body, tap)
            except _RetryableError as failure:
                if isinstance(failure.error, LLMContextExceededError):
                    # The window is smaller than the document says.
                    half = tokens_of(messages, tools) // 2
                    shorter = without_oldest(messages, tools, half)
                    is_shorter = len(shorter) < len(messages)
                    messages, wait = shorter, 0.0 if is_shorter else None
                else:
                    wait = self._wait_seconds(failure.error, attempt)
                if wait is None or attempt == self.document.max_retries:
                    raise failure.error from failure.__cause__
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _wait_seconds(self, error: LLMError, attempt: int) -> float | None:
        """How long to wait before the next attempt; None when it is not worth it.

        What the provider asks for counts for all calls: none begins before.
        """
        if error.retry_after_ms is None:
            ceiling = _FIRST_BACKOFF_SECONDS * 2**attempt
            return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter is no secret
        seconds = error.retry_after_ms / 1000
        self._quota.close_for(min(seconds, MAX_RETRY_WAIT_SECONDS))
        return seconds if seconds <= MAX_RETRY_WAIT_SECONDS else None

    async def _guarded_attempt(self, body: dict[str, Any], tap: TokenTap) -> Completion:
        """Ask once, unless the provider is known to be down."""
        self._breaker.check()
        try:
            completion = await self._attempt(body, tap)
        except _RetryableError as failure:
            self._breaker.note_failure(failure.error)
            raise
        except LLMTimeoutError as error:
            self._breaker.note_failure(error)
            raise
        except LLMError:
            self._breaker.note_answer()
            raise
        except BaseException:
            self._breaker.note_cancel()
            raise
        self._breaker.note_answer()
        return completion

    async def _attempt(self, body: dict[str, Any], tap: TokenTap) -> Completion:
        reader = ChatCompletionReader(self.document.name, tap)
        patience = _Patience(self.document)
        try:
            async with patience.limit, self._open(body) as response:
                if _is_json(response):
                    reader.take(await _read(response, _MAX_BODY_BYTES))
                    return reader.completion()
                await self._read_events(response, reader, patience)
            return reader.completion()
        except SSETooLongError as error:
            raise LLMBadOutputError(f"{self._provider} never ends a line") from error
        except TimeoutError as error:
            if not patience.limit.expired():
                raise
            raise LLMTimeoutError(f"{self._provider} {patience.complaint}") from error
        except httpx.HTTPError as error:
            if reader.is_whole:
                return reader.completion()
            broken = LLMUnavailableError(
                f"{self._provider} cannot be reached or broke off:"
                f" {type(error).__name__}"
            )
            if patience.has_begun:
                raise broken from error
            raise _RetryableError(broken) from error

    async def _read_events(
        self,
        response: httpx.Response,
        reader: ChatCompletionReader,
        patience: "_Patience",
    ) -> None:
        if "text/html" in response.headers.get("content-type", ""):
            raise LLMBadOutputError(f"{self._provider} sent a page, not an answer")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise LLMBadOutputError(f"{self._provider} packed what was asked unpacked")
        parser = SSEParser()
        async for chunk in response.aiter_raw():
            for data in parser.feed(chunk):
                if reader.take(data):
                    patience.renew()
            if reader.is_done:
                return
        for data in parser.finish():
            reader.take(data)

    @asynccontextmanager
    async def _open(self, body: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        """The response to a request, refusals raised."""
        request = httpx.Request(
            "POST",
            self._url,
            json=body,
            headers={**_HEADERS, **self._api_key.headers()},
        )
        response = await self._transport.handle_async_request(request)
        try:
            if response.status_code == httpx.codes.OK:
                yield response
                return
            refusal = error_from_status(
                self.document.name,
                response.status_code,
                await _read(response, _MAX_ERROR_BYTES),
                response.headers.get("retry-after"),
            )
        finally:
            await response.aclose()
        is_too_long = isinstance(refusal, LLMContextExceededError)
        if is_too_long or is_worth_a_retry(response.status_code):
            raise _RetryableError(refusal)
        raise refusal

    @property
    def _provider(self) -> str:
        return f"the provider of {self.document.name!r}"

    def _body(
        self,
        messages: list[ChatMessage],
        tools: list[dict[str, Any]],
        max_tokens: int | None,
    ) -> dict[str, Any]:
        document = self.document
        body: dict[str, Any] = {
            "model": document.model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            body["tools"] = tools
        elif response_format := _response_format(document):
            body["response_format"] = response_format
        if document.temperature_milli is not None:
            body["temperature"] = document.temperature_milli / 1000
        if bound := max_tokens or document.max_output_tokens:
            body["max_tokens"] = bound
        return body


class _Patience:
    """How long the next token may take: the first one longer than the others."""

    def __init__(self, document: ModelDocument) -> None:
        self.limit = asyncio.timeout(document.first_token_timeout_seconds)
        self.has_begun = False
        self._idle_seconds = document.idle_timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._renew_at = 0.0

    def renew(self) -> None:
        """Begin to wait for the next token, up to a tenth longer than agreed.

        A new timer for every token would cost a tenth of a reply's CPU.
        """
        self.has_begun = True
        now = self._loop.time()
        if now >= self._renew_at:
            slack = self._idle_seconds / 10
            self._renew_at = now + slack
            self.limit.reschedule(now + self._idle_seconds + slack)

    @property
    def complaint(self) -> str:
        """What went wrong when the time is up."""
        return "fell silent" if self.has_begun else "gave no first token in time"


def _response_format(document: ModelDocument) -> dict[str, Any] | None:
    """What the provider is told when the step's answer is data."""
    step = current_step.get()
    if step is None or step.shape is None:
        return None
    return step.shape.response_format(document.structured_output)


def _is_json(response: httpx.Response) -> bool:
    """Whether the server ignored the wish for a stream."""
    return bool(response.headers.get("content-type", "").startswith("application/json"))


async def _read(response: httpx.Response, limit: int) -> bytes:
    """The body's first bytes."""
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            break
    return body[:limit]
