"""One turn of the simulated coach: what it heard, what it says, what it offers.

Every choice comes from one random generator, seeded by the session, what was said
and the process, so the same turn gives the same words.
"""

import random
import re
from dataclasses import dataclass

from services.agents.coaching_assistant.frameworks import FRAMEWORKS, find_framework
from services.orchestrator.runtime.llm.simulation.listening import (
    asks_for_memory,
    asks_for_name,
    find_name,
    is_farewell,
    is_vague,
    quote,
    words_of,
)
from services.orchestrator.runtime.llm.simulation.memory import (
    asked_before,
    facts_known,
    recall,
    turns_noted,
)
from services.orchestrator.runtime.llm.simulation.moves import (
    CLOSING,
    MOVES,
    OPENINGS,
    VAGUE,
    Move,
)

__all__ = ["Talk", "Turn", "next_move", "speak", "take_notes"]

_EARLY_MOVES_LEFT_OUT_LATER = 6
_TURNS_BEFORE_RECALL = 3
_MIN_QUOTED_WORDS = 3

_NAMELESS = "You have not told me your name yet."
_ACKNOWLEDGED = (
    "“{quote}”: that is something one can look at.",
    "Thank you, “{quote}” is a sentence I can work with.",
    "I keep hold of “{quote}”.",
    "“{quote}”. That took some looking, and it shows.",
    "So “{quote}”. I can picture that.",
    "You put it plainly: “{quote}”.",
)
_ANSWERED = (
    "A fair question. {name} helps here: {lesson}",
    "Short answer, by way of {name}: {lesson}",
)
_PONDERED = (
    "A fair question, and I would rather find out with you than guess.",
    "Good that you ask. Let us look at it from where you stand.",
)
_TAUGHT = (
    "This is called {name}: {lesson}",
    "There is a name for it, {name}: {lesson}",
)
_NOTED = ("Good, that is noted.", "All right, then we go on from there.")
_TAKEN_LEAVE = ("It was good to think with you{name}.", "Thank you for the talk{name}.")
_RECALLED = (
    "Earlier you said “{earlier}”, and the two belong together.",
    "It goes back to what you told me before: “{earlier}”.",
)


@dataclass(frozen=True, slots=True)
class Talk:
    """All that was said: the founder's words, the coach's, notes and tools."""

    message: str | None
    earlier: tuple[str, ...] = ()
    coach: tuple[str, ...] = ()
    summary: str = ""
    tool_results: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """What the coach says and the replies it offers."""

    text: str
    replies: tuple[str, ...]


def speak(talk: Talk, rng: random.Random) -> Turn:
    """The coach's next turn."""
    if talk.message is None:
        first = ("It is about my work", "It happened at home", "I have no idea yet")
        return Turn(rng.choice(OPENINGS), first)
    move = next_move(talk)
    paragraphs = [
        _acknowledge(talk, rng),
        *_looked_up(talk),
        f"{rng.choice(move.promising)} {rng.choice(move.risks)}",
        " ".join(filter(None, (_lesson(move, talk, rng), rng.choice(move.steps)))),
        f"**{_question(move, talk, rng)}**",
    ]
    replies = list(move.replies)
    rng.shuffle(replies)
    return Turn("\n\n".join(filter(None, paragraphs)), tuple(replies))


def take_notes(talk: Talk) -> str:
    """What an internal step writes down: facts, no coaching."""
    said = [quote(text) for text in (*talk.earlier, talk.message or "") if text.strip()]
    name = find_name([*talk.earlier, talk.message or "", talk.summary])
    lines = [f"The founder's name is {name}."] if name else []
    lines += [f"The founder said: “{text}”." for text in said if text]
    return "\n".join(lines) or "The founder has said nothing yet."


def next_move(talk: Talk) -> Move:
    """What the coach asks next: the first thing neither asked nor told yet."""
    message = talk.message or ""
    if is_farewell(message):
        return CLOSING
    asked = asked_before(talk.coach, talk.summary)
    was_challenged = any(question in asked for question in VAGUE.questions)
    is_brief = bool(talk.coach[1:]) and len(words_of(message)) < _MIN_QUOTED_WORDS
    if is_vague(message) and not (is_brief or "?" in message or was_challenged):
        return VAGUE
    told = set(words_of(" ".join((*talk.earlier, message))))
    turn = len(talk.earlier) + turns_noted(talk.summary)
    if turn >= len(MOVES):
        later = MOVES[_EARLY_MOVES_LEFT_OUT_LATER:]
        return later[turn % len(later)]
    left = [
        move
        for move in MOVES
        if not any(question in asked for question in move.questions)
    ]
    untold = [move for move in left if not move.known_by & told]
    return (untold or left or list(MOVES))[0]


def _acknowledge(talk: Talk, rng: random.Random) -> str:
    """The first sentence: it takes up what was said, or answers it."""
    message = talk.message or ""
    name = find_name([message, *talk.earlier, talk.summary])
    if is_farewell(message):
        return rng.choice(_TAKEN_LEAVE).format(name=f", {name}" if name else "")
    if asks_for_name(message) or asks_for_memory(message):
        return _remember(talk)
    if (fact := recall(message, facts_known(talk.earlier, talk.summary))) is not None:
        return f"You told me: {fact}."
    if "?" in message:
        return _answer(talk, rng)
    is_new = name is not None and find_name([*talk.earlier, talk.summary]) is None
    if is_new:
        return f"Good to meet you, {name}. {_take_up(talk, rng)}"
    if name and not rng.randrange(_TURNS_BEFORE_RECALL):
        return f"I hear you, {name}. {_take_up(talk, rng)}"
    return _take_up(talk, rng)


def _answer(talk: Talk, rng: random.Random) -> str:
    framework = find_framework(talk.message or "")
    if framework is None or talk.tool_results:
        return rng.choice(_PONDERED)
    return rng.choice(_ANSWERED).format(name=framework.name, lesson=framework.lesson)


def _take_up(talk: Talk, rng: random.Random) -> str:
    heard = quote(talk.message or "")
    if len(heard.split()) < _MIN_QUOTED_WORDS:
        return rng.choice(_NOTED)
    line = rng.choice(_ACKNOWLEDGED).format(quote=heard)
    if talk.earlier and not rng.randrange(_TURNS_BEFORE_RECALL):
        earlier = quote(rng.choice(talk.earlier))
        if earlier != heard and len(earlier.split()) >= _MIN_QUOTED_WORDS:
            return f"{line} {rng.choice(_RECALLED).format(earlier=earlier)}"
    return line


def _remember(talk: Talk) -> str:
    """The answer to a question about the talk itself."""
    if asks_for_name(talk.message or ""):
        name = find_name([*talk.earlier, talk.summary])
        return f"You told me your name is {name}." if name else _NAMELESS
    if talk.earlier:
        return f"You began with “{quote(talk.earlier[0])}”."
    if talk.summary:
        return f"My notes say: {quote(talk.summary)}."
    return "We have only just begun, so there is nothing to remember yet."


def _question(move: Move, talk: Talk, rng: random.Random) -> str:
    """The move's question, in words the coach has not used yet."""
    said = " ".join(talk.coach)
    fresh = [question for question in move.questions if question not in said]
    return rng.choice(fresh or list(move.questions))


def _looked_up(talk: Talk) -> list[str]:
    """What the tools said, in the coach's words."""
    told = []
    for result in talk.tool_results:
        fact = re.sub(r"\s*(?:Ask next|Next step):.*", "", result).strip()
        told.append(fact if "\n" in fact else f"I looked it up. {fact}")
    return told


def _lesson(move: Move, talk: Talk, rng: random.Random) -> str:
    """The framework of the move in one sentence, the first time only."""
    said = " ".join((*talk.coach, *talk.tool_results))
    if move.framework is None or move.framework in said:
        return ""
    framework = next(item for item in FRAMEWORKS if item.name == move.framework)
    return rng.choice(_TAUGHT).format(name=framework.name, lesson=framework.lesson)
