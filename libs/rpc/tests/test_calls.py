"""Errors and tokens cross a real socket unchanged."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, override

import grpc
import grpc.aio
import pytest

from libs.errors import ErrorKind, VentureBotsError
from libs.rpc import (
    BearerToken,
    RemoteError,
    abort_on_error,
    channel,
    connect,
    create_server,
    is_loopback,
    remote_errors,
    server,
)
from venturebots.orchestrator.v1.orchestrator_service_pb2 import (
    GetRunRequest,
    GetRunResponse,
    WatchRunRequest,
    WatchRunResponse,
)
from venturebots.orchestrator.v1.orchestrator_service_pb2_grpc import (
    OrchestratorServiceServicer,
    OrchestratorServiceStub,
    add_OrchestratorServiceServicer_to_server,
)

if TYPE_CHECKING:
    from venturebots.orchestrator.v1.orchestrator_service_pb2_grpc import (
        OrchestratorServiceAsyncStub,
    )


class TooBusyError(VentureBotsError):
    """A refusal with a delay."""

    kind = ErrorKind.EXHAUSTED
    code = "too_busy"
    retryable = True


class Servicer(OrchestratorServiceServicer):
    """Refuses what it is asked."""

    @override
    async def GetRun(
        self,
        request: GetRunRequest,
        context: grpc.aio.ServicerContext[GetRunRequest, GetRunResponse],
    ) -> GetRunResponse:
        """Fail as the run id says."""
        async with abort_on_error(context):
            if request.run_id == "busy":
                message = "come back later"
                raise TooBusyError(message, retry_after_ms=1500)
            if request.run_id == "bug":
                message = "secret of the house"
                raise KeyError(message)
        return GetRunResponse(last_offset=7)

    @override
    async def WatchRun(
        self,
        request: WatchRunRequest,
        context: grpc.aio.ServicerContext[WatchRunRequest, WatchRunResponse],
    ) -> AsyncIterator[WatchRunResponse]:
        """Send one message, then fail."""
        async with abort_on_error(context):
            yield WatchRunResponse()
            message = "come back later"
            raise TooBusyError(message, retry_after_ms=20)


@asynccontextmanager
async def serving(
    token_file: Path | None = None, shown_token_file: Path | None = None
) -> AsyncIterator[tuple["OrchestratorServiceAsyncStub", tuple[tuple[str, str], ...]]]:
    """Serve on a free port; give a stub and the metadata its calls show."""
    token = BearerToken(token_file) if token_file else None
    server = create_server(token=token)
    servicer = Servicer()  # type: ignore[abstract] # only what is called here
    add_OrchestratorServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    connection = connect(f"127.0.0.1:{port}", token_file=shown_token_file)
    stub: Any = OrchestratorServiceStub(connection.channel)
    try:
        yield stub, connection.metadata()
    finally:
        await connection.aclose()
        await server.stop(0)


async def drain(
    call: AsyncIterable[WatchRunResponse], received: list[WatchRunResponse]
) -> None:
    """Receive until the stream ends or fails."""
    with remote_errors():
        async for response in call:
            received.append(response)  # noqa: PERF401 - kept when the stream fails


async def test_a_typed_error_crosses_with_code_and_delay() -> None:
    """Kind, code, detail, retryable and delay arrive."""
    async with serving() as (stub, _):
        with pytest.raises(RemoteError) as caught, remote_errors():
            await stub.GetRun(GetRunRequest(run_id="busy"))
    error = caught.value
    assert (error.kind, error.code) == (ErrorKind.EXHAUSTED, "too_busy")
    assert (error.retryable, error.retry_after_ms) == (True, 1500)
    assert error.detail == "come back later"
    assert error.is_told


async def test_an_unforeseen_error_hides_its_text() -> None:
    """The peer learns that the service failed and nothing else."""
    async with serving() as (stub, _):
        with pytest.raises(RemoteError) as caught, remote_errors():
            await stub.GetRun(GetRunRequest(run_id="bug"))
    assert caught.value.code == "internal"
    assert "secret" not in caught.value.detail


async def test_a_stream_ends_with_a_typed_error() -> None:
    """What was sent before the error arrives first."""
    received: list[WatchRunResponse] = []
    async with serving() as (stub, _):
        with pytest.raises(RemoteError) as caught:
            await drain(stub.WatchRun(WatchRunRequest()), received)
    assert len(received) == 1
    assert caught.value.retry_after_ms == 20


async def test_a_lost_peer_is_told_as_unavailable() -> None:
    """Nobody listens: the error is ours, not the peer's."""
    server = create_server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.stop(0)
    connection = connect(f"127.0.0.1:{port}")
    stub: Any = OrchestratorServiceStub(connection.channel)
    with pytest.raises(RemoteError) as caught, remote_errors():
        await stub.GetRun(GetRunRequest())
    await connection.aclose()
    assert caught.value.code == "rpc_unavailable"
    assert caught.value.retryable
    assert not caught.value.is_told


async def test_a_call_without_the_token_is_refused(tmp_path: Path) -> None:
    """A wrong token is as good as none; streams are refused too."""
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("abc\n", "utf-8")
    wrong.write_text("abd\n", "utf-8")
    async with serving(right, wrong) as (stub, metadata):
        for shown in ((), metadata):
            with pytest.raises(RemoteError) as caught, remote_errors():
                await stub.GetRun(GetRunRequest(), metadata=shown)
            assert caught.value.kind is ErrorKind.UNAUTHENTICATED
            with pytest.raises(RemoteError) as caught:
                await drain(stub.WatchRun(WatchRunRequest(), metadata=shown), [])
            assert caught.value.kind is ErrorKind.UNAUTHENTICATED


async def test_a_rotated_token_is_noticed(tmp_path: Path) -> None:
    """Both sides read the file again when it changed."""
    file = tmp_path / "token"
    file.write_text("first", "utf-8")
    token = BearerToken(file)
    async with serving(file, file) as (stub, metadata):
        response = await stub.GetRun(GetRunRequest(), metadata=metadata)
        assert response.last_offset == 7
        replacement = tmp_path / "replacement"
        replacement.write_text("second", "utf-8")
        replacement.rename(file)
        assert token.metadata() != metadata
        await stub.GetRun(GetRunRequest(), metadata=token.metadata())
        with pytest.raises(RemoteError), remote_errors():
            await stub.GetRun(GetRunRequest(), metadata=metadata)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:50051", True),
        ("localhost:50051", True),
        ("[::1]:50051", True),
        ("unix:/run/x.sock", True),
        ("0.0.0.0:50051", False),
        ("[::]:50051", False),
        ("orchestrator:50051", False),
        ("10.0.0.1:50051", False),
    ],
)
def test_loopback_is_recognised(address: str, *, expected: bool) -> None:
    """A name that only resolves to loopback is not trusted."""
    assert is_loopback(address) is expected


def test_every_channel_option_is_one_grpc_knows() -> None:
    # A name it does not know it ignores, without a word.
    spec = find_spec("grpc._cython.cygrpc")
    assert spec is not None
    assert spec.origin is not None
    binary = Path(spec.origin).read_bytes()
    names = [name for name, _ in (*server.OPTIONS, *channel.OPTIONS)]
    assert [name for name in names if name.encode() not in binary] == []


async def test_a_token_file_that_is_away_leaves_the_last_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n", "utf-8")
    token = BearerToken(path)
    shown = token.metadata()
    path.write_text("", "utf-8")
    assert token.metadata() == shown
    path.unlink()
    assert token.metadata() == shown
    path.write_text("second\n", "utf-8")
    assert token.metadata() == (("authorization", "Bearer second"),)


def test_beyond_loopback_a_token_is_required() -> None:
    """The channel is not even opened."""
    with pytest.raises(ValueError, match="token file"):
        connect("10.0.0.1:50051")
