"""The simulated coach answers to what was said, and fails when asked to."""

import asyncio
import random
import re
from dataclasses import replace

import pytest

from libs.errors import VentureBotsError
from services.orchestrator.engine import (
    CrewEngine,
    HistoryMessage,
    MessageDelta,
    RunPlan,
    Speaker,
    SuggestionsOffered,
    ToolStarted,
    UsageTold,
)
from services.orchestrator.runtime import crew_engine
from services.orchestrator.runtime.llm.simulation.coach import Talk, speak
from services.orchestrator.runtime.llm.simulation.listening import (
    find_name,
    is_vague,
    quote,
)
from services.orchestrator.runtime.llm.simulation.moves import OPENINGS
from services.orchestrator.runtime.tests.plans import (
    Recorder,
    make_plan,
    reply_task,
    simulated_model,
    tool_document,
)

_TOOLS = tuple(
    tool_document(name)
    for name in ("explain-framework", "interview-questions", "pain-gaps")
)
_FOUNDER = (
    "My name is Maya. Every week I lose an hour looking for lecture notes.",
    "It happened on Tuesday: three group chats, two drives, and still nothing.",
    "About four times a month, always before exams.",
    "My friends at university have it too, they scroll through WhatsApp.",
    "Nobody pays for it, but Tom bought printed notes for 20 euros.",
    "I could ask Tom, Lea and Karim this week.",
    "Maybe a page where every course has exactly one folder.",
    "That people upload their notes at all, I have not seen it.",
    "I would collect the notes by hand for one course.",
    "In the course chat, there are 120 people in it.",
    "Ten people who come back in the second week.",
    "And what about price?",
    "Then I will write the message tonight.",
)


def _plan(**changes: object) -> RunPlan:
    plan = make_plan(simulated_model(), reply_task(suggestions=True))
    return replace(plan, **changes)  # type: ignore[arg-type] # fields by name


async def _reply(engine: CrewEngine, plan: RunPlan) -> Recorder:
    record = Recorder()
    await engine.run(plan, record)
    assert record.unfinished == set()
    return record


async def test_a_long_talk_keeps_the_coach_s_manners(engine: CrewEngine) -> None:
    history: list[HistoryMessage] = []
    said: list[str] = []
    for turn, message in enumerate(_FOUNDER):
        plan = _plan(run_id=f"run-{turn}", message=message, history=tuple(history))
        record = await _reply(engine, plan)
        text = record.text
        assert text.count("?") == 1, text
        assert re.fullmatch(r"\*\*[^*]+\?\*\*", text.splitlines()[-1]), text
        assert len(text.split()) <= 150
        assert "{" not in text
        suggestions = record.of(SuggestionsOffered)[0].suggestions
        assert 2 <= len(suggestions) <= 4
        assert record.of(UsageTold)[0].completion_tokens >= len(record.of(MessageDelta))
        history += [
            HistoryMessage(Speaker.FOUNDER, message),
            HistoryMessage(Speaker.COACH, text),
        ]
        said.append(text)
    questions = [text.splitlines()[-1] for text in said]
    assert len(set(questions)) == len(questions)
    assert any("Maya" in text for text in said)
    assert any("lecture notes" in text for text in said)


async def test_the_same_turn_gives_the_same_words(engine: CrewEngine) -> None:
    first = await _reply(engine, _plan())
    again = await _reply(engine, _plan(run_id="another-run"))
    assert first.text == again.text


async def test_another_process_session_or_seed_gives_other_words(
    engine: CrewEngine,
) -> None:
    texts = {(await _reply(engine, _plan())).text}
    sessions = {
        (await _reply(engine, _plan(session_id=f"session-{number}"))).text
        for number in range(6)
    }
    assert len(sessions | texts) > 3
    processes = set()
    for salt, seed in (("a", 0), ("b", 0), ("c", 0), ("d", 0), ("a", 1), ("a", 2)):
        other = crew_engine.create_engine(salt=salt, seed=seed)
        processes.add((await _reply(other, _plan())).text)
        await other.aclose()
    assert len(processes) > 3


async def test_a_fresh_salt_is_drawn_when_none_is_given() -> None:
    texts = set()
    for _ in range(6):
        engine = crew_engine.create_engine()
        texts.add((await _reply(engine, _plan())).text)
        await engine.aclose()
    assert len(texts) > 1


async def test_the_coach_opens_in_at_most_fifty_words(engine: CrewEngine) -> None:
    record = await _reply(engine, _plan(message=None))
    assert record.text in OPENINGS
    for opening in OPENINGS:
        assert len(opening.split()) <= 50
        assert opening.endswith("**")
        assert opening.count("?") == 1


async def test_a_question_about_frameworks_calls_the_tool(engine: CrewEngine) -> None:
    message = "Which framework helps me with pricing?"
    plan = make_plan(simulated_model(), tools=_TOOLS, message=message)
    record = await _reply(engine, plan)
    assert [tool.tool for tool in record.of(ToolStarted)] == ["explain_framework"]
    assert "I looked it up." in record.text
    assert record.text.count("?") == 1


async def test_tools_are_called_now_and_then(engine: CrewEngine) -> None:
    calls = 0
    for number in range(40):
        plan = make_plan(
            simulated_model(), tools=_TOOLS, session_id=f"session-{number}"
        )
        calls += len((await _reply(engine, plan)).of(ToolStarted))
    assert 1 <= calls <= 20


@pytest.mark.parametrize(
    ("summary", "history"),
    [
        ("The founder's name is Maya.", ()),
        (None, (HistoryMessage(Speaker.FOUNDER, "Hi! My name is Maya, and I bake."),)),
        (None, (HistoryMessage(Speaker.FOUNDER, "I'm Maya."),)),
    ],
)
async def test_early_facts_are_remembered(
    engine: CrewEngine, summary: str | None, history: tuple[HistoryMessage, ...]
) -> None:
    plan = _plan(message="What is my name?", summary=summary, history=history)
    assert "your name is Maya" in (await _reply(engine, plan)).text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My name is Zoë", "Zoë"),
        ("call me Jean-Luc, please", "Jean-Luc"),
        ("I\u2019m Ada and I study law", "Ada"),
        ("I am tired of waiting", None),
        ("I'm Tired of waiting", None),
        ("I am looking for notes", None),
        ("", None),
    ],
)
def test_a_name_is_taken_only_when_it_is_given(text: str, name: str | None) -> None:
    assert find_name([text]) == name


def test_vague_messages_are_challenged() -> None:
    assert is_vague("everything is bad")
    assert is_vague("hello")
    assert not is_vague(_FOUNDER[0])
    turn = speak(Talk("people have problems"), random.Random(1))  # noqa: S311 - repeatable
    assert "last time" in turn.text


@pytest.mark.parametrize(
    "text", ["", "???", "🚀", "*", "/fault:none", "\n\n", "a" * 900]
)
def test_any_message_gets_an_answer(text: str) -> None:
    turn = speak(Talk(text, earlier=(text,)), random.Random(1))  # noqa: S311 - repeatable
    assert turn.text.endswith("**")
    assert len(quote(text)) <= 80


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("401", "llm_unauthorized"),
        ("429", "llm_rate_limited"),
        ("500", "llm_unavailable"),
        ("context", "llm_context_exceeded"),
        ("garbage", "llm_bad_output"),
        ("stall", "llm_timeout"),
        ("cut", "llm_unavailable"),
    ],
)
async def test_faults_are_acted_out(engine: CrewEngine, fault: str, code: str) -> None:
    model = simulated_model(idle_timeout_seconds=1)
    record = Recorder()
    with pytest.raises(VentureBotsError) as caught:
        await engine.run(make_plan(model, message=f"Please /fault:{fault}"), record)
    assert caught.value.code == code
    assert bool(record.text) == (fault in {"stall", "cut"})
    assert record.unfinished == set()


async def test_faults_need_the_process_s_leave() -> None:
    engine = crew_engine.create_engine(salt="tests")
    record = await _reply(engine, _plan(message="Please /fault:401 me"))
    assert record.text.endswith("**")
    await engine.aclose()


async def test_the_slow_fault_is_paced_for_a_minute(engine: CrewEngine) -> None:
    record = Recorder()
    plan = make_plan(simulated_model(tokens_per_second=50), message="/fault:slow")
    running = asyncio.create_task(engine.run(plan, record))
    async with asyncio.timeout(10):
        while len(record.of(MessageDelta)) < 3:
            await asyncio.sleep(0.01)
    assert len(record.of(MessageDelta)) < 40
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_tokens_come_at_the_pace_of_the_document(engine: CrewEngine) -> None:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    plan = make_plan(simulated_model(tokens_per_second=200))
    await engine.run(
        plan,
        lambda event: (
            times.append(loop.time()) if isinstance(event, MessageDelta) else None
        ),
    )
    assert times[-1] - times[0] >= (len(times) - 1) / 200 * 0.9
