"""What images ask a service when they are asked for its health."""

import asyncio
import socket

import pytest

from libs import probe
from libs.telemetry import SideServer, start_side_server


@pytest.mark.parametrize(("is_ready", "status"), [(True, 0), (False, 1)])
async def test_a_service_is_healthy_when_it_is_ready(
    *, is_ready: bool, status: int
) -> None:
    side: SideServer = await start_side_server(
        host="127.0.0.1", port=0, is_ready=lambda: is_ready
    )
    try:
        assert await asyncio.to_thread(probe.main, [str(side.port)]) == status
    finally:
        await side.aclose()


def test_a_service_that_does_not_listen_is_not_healthy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))

        assert probe.main([str(taken.getsockname()[1])]) == 1

    assert "ConnectionRefusedError" in capsys.readouterr().err
