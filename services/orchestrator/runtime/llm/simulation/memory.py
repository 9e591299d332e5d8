"""What the simulated coach keeps of turns it no longer sees: plain notes.

Facts a founder stated come first and are never dropped for quotes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from services.orchestrator.engine import Speaker
from services.orchestrator.runtime.llm.simulation.listening import find_name, quote
from services.orchestrator.runtime.llm.simulation.moves import MOVES

__all__ = ["asked_before", "facts_known", "fold_notes", "recall", "turns_noted"]

_STATED = re.compile(
    r"(?i)\b(?:my|our) ([a-z]+(?: [a-z]+){0,2}?) (?:is|are|was|costs|will be)"
    r" (?:called |named )?([^.!?;:\n]{1,80})"
)
_PRICED = re.compile(
    r"(?i)\b(?:charge|costs?|price)\b[^.!?\n]{0,20}?((?:[€$£] ?)?\d[\d.,]*"
    r" ?(?:€|\$|£|euros?|dollars?|pounds?)?(?: (?:a|an|per) [a-z]+)?)"
)
_NOTED_FACT = re.compile(r"(?m)^The founder's ([a-z ]+) is (.+)\.$")
_NOTED_MOVES = re.compile(r"(?m)^Asked so far: ([a-z_, ]+)\.$")
_NOTED_TURNS = re.compile(r"(?m)^Turns noted: (\d+)\.$")
_NOTED_QUOTE = re.compile(r"(?m)^The founder said: “(.+)”\.$")
_QUESTION = re.compile(
    r"(?i)\bwhat(?:'s| is| was| are| were) (?:my|our) ([a-z]+(?: [a-z]+){0,2}?)"
    r"(?: again| called| now)*\s*\?"
)


def facts_known(said: Iterable[str], notes: str) -> dict[str, str]:
    """What the founder stated, by the thing it is about; what came last counts."""
    facts = {thing.casefold(): value for thing, value in _NOTED_FACT.findall(notes)}
    for text in said:
        plain = text.replace("\u2019", "'")
        for price in _PRICED.findall(plain):
            facts["price"] = price.strip(" ,.")
        for thing, value in _STATED.findall(plain):
            facts[thing.casefold()] = value.strip(" ,'\"")
    return facts


def recall(question: str, facts: Mapping[str, str]) -> str | None:
    """The fact a founder asks for, as the coach says it."""
    asked = _QUESTION.search(question.replace("\u2019", "'"))
    thing = asked[1].casefold() if asked else None
    if thing is None or thing not in facts:
        return None
    return f"your {thing} is {facts[thing]}"


def turns_noted(notes: str) -> int:
    """How many of the founder's messages the notes are of."""
    found = _NOTED_TURNS.search(notes)
    return int(found[1]) if found else 0


def asked_before(coach: Iterable[str], notes: str) -> str:
    """All the coach has asked, what is only noted included."""
    noted = _moves_noted(notes)
    questions = [
        question for move in MOVES if move.name in noted for question in move.questions
    ]
    return " ".join((*coach, *questions))


def fold_notes(
    notes: str, turns: Sequence[tuple[Speaker, str]], characters: int
) -> str:
    """The notes that take the place of notes and turns."""
    said = [text for speaker, text in turns if speaker is Speaker.FOUNDER]
    facts = facts_known(said, notes)
    name = find_name([*said, notes])
    if name:
        facts["name"] = name
    asked = _moves_asked([text for who, text in turns if who is Speaker.COACH], notes)
    lines = [f"The founder's {thing} is {value}." for thing, value in facts.items()]
    lines.append(f"Turns noted: {turns_noted(notes) + len(said)}.")
    if asked:
        lines.append(f"Asked so far: {', '.join(asked)}.")
    left = characters - sum(len(line) + 1 for line in lines)
    quotes = [*_NOTED_QUOTE.findall(notes), *(quote(text) for text in said)]
    return "\n".join([*lines, *_newest_quotes(quotes, left)])[:characters]


def _newest_quotes(quotes: Iterable[str], characters: int) -> list[str]:
    """As many of the last quotes as have room, each once, in their order."""
    found: list[str] = []
    for text in reversed(list(dict.fromkeys(filter(None, quotes)))):
        line = f"The founder said: “{text}”."
        characters -= len(line) + 1
        if characters < 0:
            break
        found.append(line)
    return found[::-1]


def _moves_noted(notes: str) -> list[str]:
    found = _NOTED_MOVES.search(notes)
    return found[1].split(", ") if found else []


def _moves_asked(coach: Sequence[str], notes: str) -> list[str]:
    said, noted = " ".join(coach), _moves_noted(notes)
    return [
        move.name
        for move in MOVES
        if move.name in noted or any(question in said for question in move.questions)
    ]
