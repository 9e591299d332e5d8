"""What founders are told when the clock or the files change under the gateway."""

import shutil
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from services.api_gateway.tests.gateway import (
    answer_run,
    config_for,
    new_session,
    open_gateway,
    problem_of,
    say,
)

HOUR_SECONDS = 3600


@dataclass(slots=True)
class AdjustedClock:
    """The clock of the machine, and how far somebody set it off."""

    seconds_off: float = 0.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.seconds_off


async def texts_of(http: httpx.AsyncClient, session_id: str) -> list[str]:
    """What was said in a session."""
    page = await http.get(f"/v1/sessions/{session_id}/messages")
    return [message["text"] for message in page.raise_for_status().json()["messages"]]


async def events_of(http: httpx.AsyncClient, stream: str) -> list[dict[str, Any]]:
    """A stream's log."""
    log = await http.get(f"/v1/streams/{stream}/events")
    events: list[dict[str, Any]] = log.raise_for_status().json()["events"]
    return events


async def test_a_clock_set_back_an_hour_changes_no_order_and_no_answer(
    tmp_path: Path,
) -> None:
    clock = AdjustedClock()
    async with (
        open_gateway(config_for(tmp_path), clock=clock) as gateway,
        gateway.http(await gateway.new_token()) as http,
    ):
        talk, other = await new_session(http), await new_session(http)
        path = f"/v1/sessions/{talk['session_id']}/messages"
        asked = {"request_id": str(uuid4()), "text": "before"}
        first = (await http.post(path, json=asked)).json()
        await answer_run(gateway, first["run_id"], "Well met.")
        await say(http, other["session_id"], "used later")
        clock.seconds_off = -HOUR_SECONDS

        assert (await http.post(path, json=asked)).json() == first
        accepted = (await say(http, talk["session_id"], "after")).json()
        await answer_run(gateway, accepted["run_id"], "Met again.")
        assert await texts_of(http, talk["session_id"]) == [
            *("before", "Well met."),
            *("after", "Met again."),
        ]
        events = await events_of(http, talk["stream"])
        stamps = [event["ts"] for event in events]
        assert stamps == sorted(stamps)
        listed = (await http.get("/v1/sessions")).json()["sessions"]
        assert [one["session_id"] for one in listed] == [
            talk["session_id"],
            other["session_id"],
        ]


async def test_a_database_replaced_under_the_gateway_is_told_and_read_on(
    tmp_path: Path,
) -> None:
    config = config_for(tmp_path)
    aside = tmp_path / "aside.db"
    async with (
        open_gateway(config) as gateway,
        gateway.http(await gateway.new_token()) as http,
    ):
        session = await new_session(http)
        assert (await say(http, session["session_id"], "kept")).is_success
        shutil.move(config.database_path, aside)
        shutil.copyfile(aside, config.database_path)
        problem = problem_of(await say(http, session["session_id"], "lost"))
        assert problem["status"] == HTTPStatus.SERVICE_UNAVAILABLE
        assert (problem["code"], problem["retryable"]) == ("store_unavailable", True)
        assert "restart the gateway" in problem["detail"]
        assert await texts_of(http, session["session_id"]) == ["kept"]
        assert (await http.get("/readyz")).is_success
        status = (await http.get("/v1/status")).json()
        assert not status["store"]["writable"]
        shutil.move(aside, config.database_path)
        assert (await say(http, session["session_id"], "again")).is_success
