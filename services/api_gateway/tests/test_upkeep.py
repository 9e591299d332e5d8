"""The store is kept small without anybody asking."""

import asyncio
from http import HTTPStatus
from pathlib import Path

from services.api_gateway.config import RetentionSettings
from services.api_gateway.tests.gateway import (
    answer_run,
    config_for,
    new_session,
    open_gateway,
    say,
)

AT_ONCE = RetentionSettings(deltas_hours=1e-9, sweep_seconds=0.01)


async def test_deltas_go_and_the_text_stays(tmp_path: Path) -> None:
    config = config_for(tmp_path, retention=AT_ONCE)
    async with (
        open_gateway(config) as gateway,
        gateway.http(await gateway.new_token()) as http,
    ):
        session = await new_session(http)
        accepted = (await say(http, session["session_id"], "hello")).json()
        await answer_run(gateway, accepted["run_id"], "Well met.")
        log = f"/v1/streams/{session['stream']}/events"
        async with asyncio.timeout(30):
            while (await http.get(log)).status_code != HTTPStatus.GONE:
                await asyncio.sleep(AT_ONCE.sweep_seconds)
        page = await http.get(f"/v1/sessions/{session['session_id']}/messages")
        texts = [message["text"] for message in page.json()["messages"]]
        assert texts == ["hello", "Well met."]
        rest = (
            await http.get(log, params={"after_seq": page.json()["last_seq"]})
        ).json()
        assert rest["events"] == []
