"""Requests no gateway would make: the orchestrator refuses them by type, and lives."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import pytest
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from libs.rpc import Connection, RemoteError, connect, from_rpc_error
from libs.testing.stack import Stack
from tests.fuzz.effort import EFFORTS, Effort
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb

_SERVICE: Final = "/venturebots.orchestrator.v1.OrchestratorService/"
_EXAMPLES: Final = 60
_PATIENCE_SECONDS: Final = 5
_STREAMS: Final = ("Run", "WatchRun")
_CALLS: Final[dict[str, type[Message]]] = {
    "Run": pb.RunRequest,
    "WatchRun": pb.WatchRunRequest,
    "CancelRun": pb.CancelRunRequest,
    "GetRun": pb.GetRunRequest,
    "ListCrews": pb.ListCrewsRequest,
}
_REFUSALS: Final = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DATA_LOSS,
}

type Told = RemoteError | None
"""How a call was refused; None when it was not."""


class _Caller:
    """Sends any bytes to any method."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def call(
        self, method: str, request: bytes, *, metadata: Any = None
    ) -> tuple[grpc.StatusCode, Told]:
        """Call and take at most one answer; a run that began is stopped."""
        path = _SERVICE + method
        shown = self._connection.metadata() if metadata is None else metadata
        try:
            if method in _STREAMS:
                begin: Any = self._connection.channel.unary_stream(path)
                stream = begin(request, metadata=shown, timeout=_PATIENCE_SECONDS)
                await stream.read()
                stream.cancel()
            else:
                ask: Any = self._connection.channel.unary_unary(path)
                await ask(request, metadata=shown, timeout=_PATIENCE_SECONDS)
        except grpc.aio.AioRpcError as error:
            return error.code(), from_rpc_error(error)
        return grpc.StatusCode.OK, None

    async def stop(self, run_id: str) -> None:
        """Stop a run that may have begun."""
        stop = pb.CancelRunRequest(run_id=run_id, reason="test")
        await self.call("CancelRun", stop.SerializeToString())

    async def serves(self) -> None:
        """Let a sound run come to its end."""
        run_id = f"sound-{id(object())}-{asyncio.get_running_loop().time()}"
        request = pb.RunRequest(run_id=run_id, session_id="s", founder_ref="f")
        request.message.text = "Lunch queues"
        begin: Any = self._connection.channel.unary_stream(
            _SERVICE + "Run", response_deserializer=pb.RunResponse.FromString
        )
        stream = begin(
            request.SerializeToString(),
            metadata=self._connection.metadata(),
            timeout=30,
        )
        events = [event async for answer in stream for event in answer.events]
        assert events[-1].WhichOneof("payload") == "run_finished"


async def _with_caller(
    stack: Stack, use: Callable[[_Caller], Awaitable[object]]
) -> None:
    token_file = Path(stack.orchestrator.environment["VB_ORCHESTRATOR_TOKEN_FILE"])
    connection = connect(stack.orchestrator.address, token_file=token_file)
    try:
        await use(_Caller(connection))
    finally:
        await connection.aclose()


@pytest.fixture
async def caller(stack: Stack) -> AsyncIterator[_Caller]:
    """Call the orchestrator; afterwards it is the same process and serves."""
    pid = stack.orchestrator.pid
    token_file = Path(stack.orchestrator.environment["VB_ORCHESTRATOR_TOKEN_FILE"])
    connection = connect(stack.orchestrator.address, token_file=token_file)
    caller = _Caller(connection)
    yield caller
    await caller.serves()
    await connection.aclose()
    assert stack.orchestrator.is_running
    assert stack.orchestrator.pid == pid


def _prove_typed(status: grpc.StatusCode, told: Told) -> None:
    if told is not None:
        assert status in _REFUSALS, told.detail
        assert told.is_told, f"{status}: {told.detail}"
        assert 0 < len(told.detail) < 2_000


def _is_request(method: str, encoded: bytes) -> bool:
    try:
        _CALLS[method].FromString(encoded)
    except DecodeError:
        return False
    return True


_IDS: Final = st.one_of(
    st.sampled_from(["", " ", "run", "\x00", "\u202e", "a" * 200, "a" * 201]),
    st.text(max_size=30),
)
_TEXTS: Final = st.one_of(
    st.sampled_from(["", "\x00", "\ufffe", "a" * 8_000, "a" * 8_001, "a" * 1_000_000]),
    st.text(max_size=50),
)
_MOMENTS: Final = st.builds(
    Timestamp,
    seconds=st.one_of(
        st.sampled_from([0, -1, 1, 2**31, 2**63 - 1, -(2**63), 253402300800]),
        st.integers(-(2**63), 2**63 - 1),
    ),
    nanos=st.integers(-(2**31), 2**31 - 1),
)
_HISTORY: Final = st.lists(
    st.builds(pb.HistoryMessage, role=st.sampled_from([0, 1, 2, 9]), text=_TEXTS),
    max_size=4,
)


@st.composite
def _run_requests(draw: st.DrawFn) -> pb.RunRequest:
    request = pb.RunRequest(
        run_id=draw(_IDS),
        session_id=draw(_IDS),
        founder_ref=draw(_IDS),
        history=draw(_HISTORY),
        crew=draw(st.one_of(st.just(""), _IDS)),
        expected_instance_id=draw(st.one_of(st.just(""), _IDS)),
        finished_steps=draw(
            st.lists(st.builds(pb.FinishedStep, task=_IDS, output=_TEXTS), max_size=3)
        ),
    )
    trigger = draw(st.sampled_from(["none", "opening", "message"]))
    if trigger == "opening":
        request.opening.SetInParent()
    if trigger == "message":
        request.message.text = draw(_TEXTS)
    if draw(st.booleans()):
        request.deadline.CopyFrom(draw(_MOMENTS))
    if draw(st.booleans()):
        request.summary.text = draw(_TEXTS)
        request.summary.upto_seq = draw(st.integers(0, 2**64 - 1))
    return request


def _message(**changes: Any) -> pb.RunRequest:
    """A sound request but for what is changed."""
    sound: dict[str, Any] = {"session_id": "s", "founder_ref": "f"}
    request = pb.RunRequest(run_id=f"changed {sorted(changes)}", **sound)
    request.message.text = "Hello"
    request.MergeFrom(pb.RunRequest(**changes))
    return request


@pytest.mark.parametrize("effort", EFFORTS)
def test_any_run_request_is_taken_or_refused_by_type(
    stack: Stack, effort: Effort
) -> None:
    async def ask(caller: _Caller, request: pb.RunRequest) -> None:
        status, told = await caller.call("Run", request.SerializeToString())
        await caller.stop(request.run_id)
        _prove_typed(status, told)

    @effort.settings(_EXAMPLES)
    @given(request=_run_requests())
    @example(request=_message(deadline=Timestamp(seconds=2**63 - 1)))
    @example(request=_message(deadline=Timestamp(seconds=-(2**63), nanos=-1)))
    @example(request=_message(crew="no such crew"))
    def answers(request: pb.RunRequest) -> None:
        asyncio.run(_with_caller(stack, lambda caller: ask(caller, request)))

    answers()


@pytest.mark.parametrize("effort", EFFORTS)
def test_any_question_about_a_run_is_answered_by_type(
    stack: Stack, effort: Effort
) -> None:
    offsets = st.one_of(st.sampled_from([0, 1, 2**63, 2**64 - 1]), st.integers(0, 9))
    questions: st.SearchStrategy[tuple[str, Message]] = st.one_of(
        st.tuples(
            st.just("WatchRun"),
            st.builds(pb.WatchRunRequest, run_id=_IDS, after_offset=offsets),
        ),
        st.tuples(
            st.just("CancelRun"),
            st.builds(pb.CancelRunRequest, run_id=_IDS, reason=_TEXTS),
        ),
        st.tuples(st.just("GetRun"), st.builds(pb.GetRunRequest, run_id=_IDS)),
    )

    async def ask(caller: _Caller, asked: Sequence[tuple[str, Message]]) -> None:
        for method, request in asked:
            _prove_typed(*await caller.call(method, request.SerializeToString()))

    @effort.settings(_EXAMPLES)
    @given(asked=st.lists(questions, min_size=1, max_size=4))
    def answers(asked: list[tuple[str, Message]]) -> None:
        asyncio.run(_with_caller(stack, lambda caller: ask(caller, asked)))

    answers()


@pytest.mark.parametrize("effort", EFFORTS)
def test_bytes_that_are_no_request_are_invalid(stack: Stack, effort: Effort) -> None:
    async def ask(caller: _Caller, method: str, request: bytes) -> None:
        status, told = await caller.call(method, request)
        _prove_typed(status, told)
        if not _is_request(method, request):
            assert status is grpc.StatusCode.INVALID_ARGUMENT

    @effort.settings(_EXAMPLES)
    @given(method=st.sampled_from(list(_CALLS)), request=st.binary(max_size=80))
    @example(method="Run", request=b"\xff")
    @example(method="WatchRun", request=b"\x0a\x7f")
    @example(method="CancelRun", request=b"\x0a\x02\xff\xfe")
    @example(method="GetRun", request=b"\x0a")
    @example(method="ListCrews", request=b"\xff" * 1_000_000)
    def answers(method: str, request: bytes) -> None:
        asyncio.run(_with_caller(stack, lambda caller: ask(caller, method, request)))

    answers()


async def test_a_history_of_200_000_messages_is_refused_or_served(
    caller: _Caller,
) -> None:
    entry = pb.HistoryMessage(role=pb.ROLE_FOUNDER, text="Lunch " * 5)
    request = _message(history=[entry] * 200_000)
    _prove_typed(*await caller.call("Run", request.SerializeToString()))
    await caller.stop(request.run_id)


async def test_a_request_above_the_message_limit_is_refused(caller: _Caller) -> None:
    status, _ = await caller.call("Run", bytes(17 * 1024 * 1024))
    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", "Bearer wrong"),),
        (("authorization", "Bearer"),),
        (("authorization", "a token that nobody guesses"),),
        (("authorization-bin", b"\xff"),),
    ],
    ids=repr,
)
@pytest.mark.parametrize("method", _CALLS)
async def test_without_the_token_nothing_is_answered(
    caller: _Caller, method: str, metadata: Any
) -> None:
    request = _message().SerializeToString()
    status, _ = await caller.call(method, request, metadata=metadata)
    assert status is grpc.StatusCode.UNAUTHENTICATED


async def test_a_method_that_is_none_is_unimplemented(caller: _Caller) -> None:
    status, _ = await caller.call("Guess", b"")
    assert status is grpc.StatusCode.UNIMPLEMENTED
