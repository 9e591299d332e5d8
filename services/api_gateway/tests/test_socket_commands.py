"""A command over the socket does what it does over HTTP."""

from http import HTTPStatus
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import TypeAdapter

from services.api_gateway.errors import RequestIdReusedError, RunUnknownError
from services.api_gateway.tests.gateway import (
    RunningGateway,
    answer_run,
    new_session,
    say,
)
from services.api_gateway.wire.commands import Command
from services.api_gateway.wire.frames import AckFrame

_COMMAND: TypeAdapter[Any] = TypeAdapter(Command)


class Socket:
    """Executes commands as the founder's socket does."""

    def __init__(self, gateway: RunningGateway, founder_id: str) -> None:
        self._gateway, self._founder_id = gateway, founder_id

    async def command(self, command_type: str, **fields: object) -> AckFrame:
        """Send a command; its acknowledgement."""
        told = {"type": command_type, "request_id": str(uuid4())} | fields
        command = _COMMAND.validate_python(told)
        return await self._gateway.context.commands.execute(self._founder_id, command)


async def founders_socket(gateway: RunningGateway, http: httpx.AsyncClient) -> Socket:
    """The founder's socket."""
    return Socket(gateway, (await http.get("/v1/founder")).json()["founder_id"])


async def test_a_session_is_changed_and_deleted(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    over_socket = await founders_socket(gateway, http)
    session_id = (await new_session(http))["session_id"]
    path = f"/v1/sessions/{session_id}"
    changed = await over_socket.command(
        "session.update", session_id=session_id, title="Queues", pinned=True
    )
    session = (await http.get(path)).json()
    assert (session["title"], session["pinned"]) == ("Queues", True)
    assert (changed.session_id, changed.seq) == (session_id, session["last_seq"])
    request_id = str(uuid4())
    deleted = [
        await over_socket.command(
            "session.delete", session_id=session_id, request_id=request_id
        )
        for _ in range(2)
    ]
    assert deleted[0] == deleted[1]
    assert deleted[0].session_id == session_id
    assert (await http.get(path)).status_code == HTTPStatus.NOT_FOUND


async def test_a_branch_leads_to_a_session_of_its_own(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    over_socket = await founders_socket(gateway, http)
    session_id = (await new_session(http))["session_id"]
    said = (await say(http, session_id, "one")).json()
    branch: dict[str, object] = {
        "session_id": session_id,
        "message_id": said["message_id"],
        "request_id": str(uuid4()),
    }
    branched = await over_socket.command("session.branch", **branch, text="otherwise")
    assert branched.session_id not in {None, session_id}
    page = (await http.get(f"/v1/sessions/{branched.session_id}/messages")).json()
    assert [each["text"] for each in page["messages"]] == ["otherwise"]
    assert page["messages"][0]["run_id"] == branched.run_id
    with pytest.raises(RequestIdReusedError):
        await over_socket.command("session.branch", **branch, text="again")


async def test_a_reply_is_rated(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    over_socket = await founders_socket(gateway, http)
    session_id = (await new_session(http))["session_id"]
    said = (await say(http, session_id, "one")).json()
    message_id = await answer_run(gateway, said["run_id"], "Well")
    rated = await over_socket.command(
        "message.feedback", message_id=message_id, value="up"
    )
    page = (await http.get(f"/v1/sessions/{session_id}/messages")).json()
    assert page["messages"][-1]["feedback"] == "up"
    session = (await http.get(f"/v1/sessions/{session_id}")).json()
    assert (rated.message_id, rated.seq) == (message_id, session["last_seq"])


async def test_a_stopped_run_is_tried_again_once_whoever_asks(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    over_socket = await founders_socket(gateway, http)
    session_id = (await new_session(http))["session_id"]
    first = (await say(http, session_id, "one")).json()["run_id"]
    stopped = await over_socket.command("run.cancel", run_id=first)
    assert stopped.run_id == first
    request_id = str(uuid4())
    retried = [
        await over_socket.command("run.retry", run_id=first, request_id=request_id)
        for _ in range(2)
    ]
    assert retried[0] == retried[1]
    again = await http.post(
        f"/v1/runs/{first}/retry", json={"request_id": str(uuid4())}
    )
    assert again.json()["run_id"] == retried[0].run_id
    with pytest.raises(RunUnknownError):
        await over_socket.command("run.retry", run_id=str(uuid4()))
