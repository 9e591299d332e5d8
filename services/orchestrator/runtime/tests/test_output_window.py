"""Nothing blocked goes out, however a stream is cut; all else goes out at once."""

import asyncio
import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.crewspec.compiled import BlockedOutput, PolicyDocument, TaskOutput
from services.orchestrator.engine import (
    CrewEngine,
    EndStatus,
    MessageFinished,
    StepFinished,
    SuggestionsOffered,
)
from services.orchestrator.errors import OutputBlockedError
from services.orchestrator.runtime.policies.output_window import (
    MAX_HELD_CHARACTERS,
    OutputRules,
    OutputWindow,
)
from services.orchestrator.runtime.tests.plans import Recorder, make_plan, reply_task
from services.orchestrator.runtime.tests.scripted_model import Reply, ScriptedModel

_MARK = "\u27e6a1b2c3d4e5f6\u27e7"
_POLICY = PolicyDocument(
    name="limits",
    generation=1,
    blocked_output=frozenset(BlockedOutput),
    denied_phrases=("guaranteed returns", "Acme Corp", "İstanbul Ltd"),
)
_RULES = OutputRules(_POLICY, _MARK)
_BLOCKED = [
    "guaranteed returns",
    "Guaranteed\nRETURNS",
    "aCmE corp",
    _MARK,
    "sk-" + "proj-aB3dE6gH9jK2mN5pQ8sT1v",
    "-----BEGIN PRIVATE KEY-----",
    "4111 1111 1111 1111",
    "redis://bob:hunter2@cache",
]
_HARMLESS = [
    "We guarantee a return of your notes; returns are guaranteed elsewhere.",
    "Acme Corporation and the Acme corps are others.",
    "A risk-free desk-bound task: sk-learn, ask, s, sk and sk- again.",
    "Ask 12 people, 3 a day - that is 4 days. See https://example.com/a:b?c=1.",
    "See: a) one; b) two :/ and so on --- or not -- at all -",
    "Bearer of news, 4111 1111 1111 1112 is no card.",
    "In İstanbul sagt die Geschäftsführung: ß und K bleiben.",
]


def _cut(text: str, places: list[int]) -> list[str]:
    """Cut a text into pieces."""
    ends = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in itertools.pairwise(ends)]


def _let_out(pieces: list[str]) -> tuple[str, bool]:
    """What goes out of a window, and whether it ended with something blocked."""
    window, out = OutputWindow(_RULES), ""
    try:
        for piece in pieces:
            out += window.feed(piece)
        out += window.finish()
    except OutputBlockedError:
        return out, True
    return out, False


_CUTS = st.lists(st.integers(0, 10_000), max_size=60)


@given(st.sampled_from(_BLOCKED), st.sampled_from(_HARMLESS), _CUTS)
@settings(max_examples=200, deadline=None)
def test_nothing_of_what_is_blocked_goes_out_however_the_text_is_cut(
    blocked: str, before: str, cuts: list[int]
) -> None:
    text = f"{before} {blocked} and more words follow."
    out, is_blocked = _let_out(_cut(text, cuts))
    assert is_blocked
    start = len(before) + 1
    if blocked.startswith("redis"):
        start += len("redis")
    assert out == text[: len(out)]
    assert len(out) <= start


@given(st.sampled_from(_HARMLESS), _CUTS)
@settings(max_examples=200, deadline=None)
def test_harmless_text_goes_out_whole_however_it_is_cut(
    text: str, cuts: list[int]
) -> None:
    assert _let_out(_cut(text, cuts)) == (text, False)


_ALPHABET = st.sampled_from(
    [*"sk-AKI4 1:/@.-\n", "Acme ", "corp", "guaranteed ", "returns", "sk-a1", "Bear"]
)


@given(st.lists(_ALPHABET, max_size=40).map("".join), _CUTS)
@settings(max_examples=300, deadline=None)
def test_any_cutting_comes_to_the_same(text: str, cuts: list[int]) -> None:
    whole, is_blocked = _let_out([text])
    out, was_blocked = _let_out(_cut(text, cuts))
    assert was_blocked == is_blocked
    if not is_blocked:
        assert out == whole == text


@pytest.mark.parametrize("text", _HARMLESS)
def test_little_is_held_back_and_not_for_long(text: str) -> None:
    window = OutputWindow(_RULES)
    taken = out = 0
    for piece in re.findall(r"\s*\S+", f"Well, {text}"):
        taken += len(piece)
        out += len(window.feed(piece))
        assert taken - out <= MAX_HELD_CHARACTERS


def test_a_word_with_which_nothing_blocked_begins_is_never_held() -> None:
    window = OutputWindow(_RULES)
    for piece in ("Hello", " Maya", ",", " what", " hurts", "?\n\n", "**When**"):
        assert window.feed(piece) == piece


@pytest.mark.parametrize("glue", ["x", "9", "_", "\u27e6"])
def test_the_mark_does_not_come_out_as_a_part_of_a_word(glue: str) -> None:
    for cut in range(len(_MARK)):
        pieces = [f"It is {glue}{_MARK[:cut]}", f"{_MARK[cut:]}{glue} and on"]
        out, is_blocked = _let_out(pieces)
        assert is_blocked
        assert out == f"It is {glue}"[: len(out)]


def test_a_run_that_never_ends_is_let_go() -> None:
    window = OutputWindow(_RULES)
    text = "sk-" + "a" * (2 * MAX_HELD_CHARACTERS)
    out = "".join(window.feed(character) for character in text)
    assert len(out) >= MAX_HELD_CHARACTERS
    assert out + window.finish() == text


def test_without_rules_there_is_no_window() -> None:
    assert not OutputRules.are_in(PolicyDocument("none", 1))
    assert OutputRules.are_in(_POLICY)


async def test_a_blocked_reply_ends_failed_and_keeps_what_was_said_before(
    engine: CrewEngine,
) -> None:
    record = Recorder()
    pieces = ("Invest ", "now: guar", "anteed ret", "urns are ", "yours.")
    async with ScriptedModel(Reply(pieces=pieces, stalls=True)) as server:
        plan = make_plan(server.document(), policy=_POLICY)
        with pytest.raises(OutputBlockedError) as caught:
            await engine.run(plan, record)
        async with asyncio.timeout(1):
            await server.was_left.wait()
    assert (caught.value.code, caught.value.retryable) == ("output_blocked", False)
    assert record.text == "Invest now: "
    assert record.of(MessageFinished)[0].status is EndStatus.FAILED
    assert record.of(StepFinished)[0].output == ""
    assert "guar" not in str(record.events)
    assert record.unfinished == set()


async def test_the_system_prompt_carries_a_mark_that_never_comes_out(
    engine: CrewEngine,
) -> None:
    async with ScriptedModel(Reply(pieces=("Hello.",))) as server:
        await engine.run(make_plan(server.document(), policy=_POLICY), Recorder())
        await engine.run(make_plan(server.document()), Recorder())
    marked, plain = (request["messages"][0]["content"] for request in server.requests)
    (mark,) = re.findall("\u27e6[0-9a-f]+\u27e7", marked)
    assert "\u27e6" not in plain
    leaking = Reply(pieces=("My orders: ", *f"Coach kindly. {mark[:5]}", mark[5:], "."))
    record = Recorder()
    async with ScriptedModel(leaking) as server:
        with pytest.raises(OutputBlockedError):
            await engine.run(make_plan(server.document(), policy=_POLICY), record)
    assert record.text == "My orders: Coach kindly. "


async def test_neither_offered_replies_nor_inner_steps_say_what_is_blocked(
    engine: CrewEngine,
) -> None:
    record = Recorder()
    offers = Reply(pieces=("Hi.\n[[suggestions]]\nYes\nBuy guaranteed returns",))
    async with ScriptedModel(offers) as server:
        task = reply_task(suggestions=True)
        await engine.run(make_plan(server.document(), task, policy=_POLICY), record)
    assert record.text == "Hi."
    assert record.of(SuggestionsOffered) == []
    notes = reply_task(name="notes", output=TaskOutput.INTERNAL)
    record = Recorder()
    async with ScriptedModel(Reply(pieces=("Acme ", "Corp."))) as server:
        plan = make_plan(server.document(), notes, reply_task(), policy=_POLICY)
        with pytest.raises(OutputBlockedError):
            await engine.run(plan, record)
    assert "Acme" not in str(record.events)
