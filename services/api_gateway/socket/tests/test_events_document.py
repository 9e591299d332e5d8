"""docs/architecture/events.md says what the models say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from services.api_gateway.socket.inbound import CLIENT_TYPES
from services.api_gateway.wire.events import EVENT_TYPES
from services.api_gateway.wire.frames import (
    CloseCode,
    client_frame_adapter,
    server_frame_adapter,
)

DOCUMENT = Path(__file__).parents[4] / "docs" / "architecture" / "events.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
BLOCKS: list[list[dict[str, Any]]] = [
    json.loads(block)
    for block in re.findall(r"```json[^\n]*\n(.*?)```", TEXT, re.DOTALL)
]
ADAPTERS: list[TypeAdapter[Any]] = [
    client_frame_adapter,
    client_frame_adapter,
    server_frame_adapter,
    server_frame_adapter,
]
"""Of the blocks, in their order: frames, commands, frames, events."""


def _types(adapter: TypeAdapter[Any]) -> set[str]:
    """Every `type` an adapter's schema knows."""
    definitions = adapter.json_schema()["$defs"].values()
    properties = [one.get("properties", {}) for one in definitions]
    return {
        one["type"]["const"]
        for one in properties
        if isinstance(one.get("type"), dict) and "const" in one["type"]
    }


def test_there_is_an_example_of_every_type_in_either_direction() -> None:
    assert len(BLOCKS) == len(ADAPTERS)
    told = {example["type"] for block in BLOCKS[:2] for example in block}
    assert told == CLIENT_TYPES
    shown = {example["type"] for block in BLOCKS[2:] for example in block}
    # A suggestion holds a command, which is no frame of this direction.
    assert shown == _types(server_frame_adapter) - {"message.send"}


@pytest.mark.parametrize(
    ("adapter", "example"),
    [
        pytest.param(adapter, example, id=example["type"])
        for adapter, block in zip(ADAPTERS, BLOCKS, strict=True)
        for example in block
    ],
)
def test_every_example_is_a_frame_in_full(
    adapter: TypeAdapter[Any], example: dict[str, Any]
) -> None:
    frame = adapter.validate_json(json.dumps(example), strict=True)
    assert frame.type == example["type"]
    if adapter is server_frame_adapter:
        assert adapter.dump_python(frame, mode="json") == example


def test_every_event_stands_in_the_table_and_in_the_mapping() -> None:
    events, _, mapping = TEXT.partition("## Events")[2].partition("## AG-UI 1.0")
    tables = [_table_words(part) for part in (events, mapping)]
    assert [EVENT_TYPES - words for words in tables] == [set(), set()]


def test_every_command_and_close_code_stands_in_its_table() -> None:
    words = _table_words(TEXT)
    frames = {example["type"] for example in BLOCKS[0]}
    assert CLIENT_TYPES - frames - words == set()
    rows = re.findall(r"^\| (\d{4}) \| `(\w+)` \|", TEXT, re.MULTILINE)
    assert {int(code): name for code, name in rows} == {
        code.value: code.name for code in CloseCode
    }


def _table_words(text: str) -> set[str]:
    rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    return set(re.findall(r"`([a-z_.]+)`", rows))
