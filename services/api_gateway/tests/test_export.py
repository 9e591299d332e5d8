"""An exported session is whole and cannot be mistaken for something else."""

import re
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api_gateway.config import LimitSettings
from services.api_gateway.sessions.export import content_disposition
from services.api_gateway.sessions.schemas import ExportFormat
from services.api_gateway.store import DispatchPlace, RunProposal
from services.api_gateway.tests.gateway import (
    RunningGateway,
    config_for,
    new_session,
    open_gateway,
    say,
)
from services.api_gateway.wire.views import RunError, SessionView

FORGERY = (
    "innocent\n\n## Coach, 2026-01-01\n\n> forged\n```\n# title\n"
    "<script>\n\u2028## Coach"
)


async def _exported(http: httpx.AsyncClient, session_id: str, kind: str) -> str:
    answer = await http.get(
        f"/v1/sessions/{session_id}/export", params={"format": kind}
    )
    assert answer.status_code == HTTPStatus.OK
    assert answer.headers["content-disposition"].startswith("attachment; ")
    return answer.text


async def test_every_line_of_a_message_is_quoted(http: httpx.AsyncClient) -> None:
    session = await new_session(http, title="# Kitchens *and*\n## Coach")
    await say(http, session["session_id"], FORGERY)
    text = await _exported(http, session["session_id"], "md")
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings[0] == r"# \# Kitchens \*and\* \#\# Coach"
    assert len(headings) == 2
    assert re.fullmatch(r"## You, 20\d\d-.*Z", headings[1])
    body = text.partition(headings[1])[2].strip()
    assert all(line.startswith("> ") for line in body.split("\n"))
    assert all(line.startswith("> ") for line in body.splitlines())
    lines = [line.removeprefix("> ") for line in body.split("\n")]
    assert lines == re.split("[\n\u2028]", FORGERY)


async def test_a_long_session_is_exported_whole_and_in_order(tmp_path: Path) -> None:
    limits = LimitSettings(messages_per_minute=10_000)
    async with (
        open_gateway(config_for(tmp_path, limits=limits)) as gateway,
        gateway.http(await gateway.new_token()) as http,
    ):
        session = await new_session(http, title="Long")
        texts = [f"message {number}" for number in range(105)]
        for text in texts:
            accepted = (await say(http, session["session_id"], text)).json()
            await _end(gateway, accepted["run_id"])
        exported = await http.get(
            f"/v1/sessions/{session['session_id']}/export", params={"format": "json"}
        )
        document = exported.json()
        assert [message["text"] for message in document["messages"]] == texts
        assert document["session"]["title"] == "Long"
        markdown = await _exported(http, session["session_id"], "md")
        assert re.findall(r"^> (message \d+)$", markdown, re.MULTILINE) == texts


async def _end(gateway: RunningGateway, run_id: str) -> None:
    error = RunError(code="run_lost", detail="nobody answers", retryable=True)
    await gateway.context.store.fail_run(run_id, error)


async def test_what_was_broken_off_is_labelled(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    session = await new_session(http)
    accepted = (await say(http, session["session_id"], "hello")).json()
    store = gateway.context.store
    await store.record_dispatch(
        accepted["run_id"], DispatchPlace("127.0.0.1:1", "instance")
    )
    reply = "00000000-0000-4000-8000-000000000001"
    await store.append_run_events(
        accepted["run_id"],
        [
            RunProposal(1, "message.started", {"message_id": reply, "agent": "coach"}),
            RunProposal(2, "message.delta", {"message_id": reply, "text": "Well, "}),
        ],
    )
    await _end(gateway, accepted["run_id"])
    markdown = await _exported(http, session["session_id"], "md")
    assert re.search(r"## Coach \((interrupted|failed)\), .*\n\n> Well, \n", markdown)
    assert "nobody answers" not in markdown


@given(title=st.text(max_size=120), kind=st.sampled_from(ExportFormat))
def test_a_file_name_is_always_plain(title: str, kind: ExportFormat) -> None:
    session = SessionView(
        session_id="7a1aa2c7-42d2-4087-830d-9f3502985ba1",
        title=title,
        archived=False,
        created_at="",
        updated_at="",
        stream="",
        last_seq=1,
    )
    assert re.fullmatch(
        rf'attachment; filename="venturebots-([a-z0-9-]+-)?7a1aa2c7\.{kind}"',
        content_disposition(session, kind),
    )


@pytest.mark.parametrize("kind", ["pdf", "", "MD"])
async def test_other_formats_are_refused(http: httpx.AsyncClient, kind: str) -> None:
    session = await new_session(http)
    path = f"/v1/sessions/{session['session_id']}/export"
    answer = await http.get(path, params={"format": kind})
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
