"""What the gateway tells of itself: OpenAPI, docs, settings and health."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from http import HTTPStatus
from pathlib import Path

import httpx

from services.api_gateway.app import create_api
from services.api_gateway.tests.gateway import RunningGateway, config_for, open_gateway


def _references(part: object) -> set[str]:
    return set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(part)))


def test_the_document_is_whole() -> None:
    document = create_api().openapi()
    schemas = document["components"]["schemas"]
    names = {f"#/components/schemas/{name}" for name in schemas}
    assert _references(document) <= names
    assert {"ServerFrame", "ClientFrame", "Event", "Problem"} <= set(schemas)
    operations = [
        operation
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    ids = Counter(operation["operationId"] for operation in operations)
    assert set(ids.values()) == {1}
    for operation in operations:
        content = operation["responses"]["default"]["content"]
        assert _references(content) == {"#/components/schemas/Problem"}
        assert operation["description"]


def test_the_document_is_printed_alike_whatever_the_settings() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "services.api_gateway", "openapi"],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "7", "VB_GATEWAY_PORT": "nonsense"},
    ).stdout
    document = json.dumps(create_api().openapi(), indent=2, sort_keys=True)
    assert printed == f"{document}\n"


async def test_the_docs_need_nothing_from_elsewhere(
    stranger: httpx.AsyncClient,
) -> None:
    answer = await stranger.get("/docs")
    assert answer.status_code == HTTPStatus.OK
    assert not re.findall(r"(?:src|href)=['\"]?(?:https?:)?//", answer.text)
    style = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    document = (await stranger.get("/openapi.json")).json()
    for path in document["paths"]:
        assert path in answer.text


async def test_the_page_is_told_its_settings(
    gateway: RunningGateway, stranger: httpx.AsyncClient
) -> None:
    answer = await stranger.get("/config.js")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("text/javascript")
    found = re.search(r"Object\.freeze\((.*)\);", answer.text)
    assert found
    assert json.loads(found[1])["instance"] == gateway.cookie_name
    assert "<" not in answer.text


async def test_the_status_tells_the_store_and_the_orchestrators(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    status = (await http.get("/v1/status")).json()
    assert status["store"]["writable"] is True
    assert status["epoch"] == gateway.context.store.epoch
    assert status["draining"] is False
    seen = gateway.context.runs.orchestrators()
    assert len(status["orchestrators"]) == len(seen)
    assert not any(each["ready"] for each in status["orchestrators"])


async def test_a_gateway_without_an_orchestrator_is_ready_until_it_drains(
    tmp_path: Path,
) -> None:
    async with open_gateway(config_for(tmp_path)) as gateway, gateway.http() as http:
        assert (await http.get("/healthz")).text == "ok\n"
        assert (await http.get("/readyz")).text == "ready\n"
        await gateway.server.drain()
        assert gateway.context.draining.is_set()
        assert gateway.server.should_exit


async def test_a_draining_gateway_is_alive_and_not_ready(tmp_path: Path) -> None:
    async with open_gateway(config_for(tmp_path)) as gateway, gateway.http() as http:
        gateway.context.draining.set()
        answer = await http.get("/readyz")
        assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert answer.text == "draining\n"
        assert (await http.get("/healthz")).is_success
