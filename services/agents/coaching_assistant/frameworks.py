"""The frameworks the coach teaches, each in one sentence."""

import re
from dataclasses import dataclass

__all__ = ["FRAMEWORKS", "Framework", "find_framework"]

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Framework:
    """A named way of thinking: what it says and a step to take with it."""

    name: str
    lesson: str
    next_step: str
    topics: frozenset[str]


FRAMEWORKS: tuple[Framework, ...] = (
    Framework(
        name="Key and lock",
        lesson="An idea is a key and a pain is the lock: study the lock first.",
        next_step="Describe the last time the pain happened, minute by minute.",
        topics=frozenset({"pain", "problem", "idea", "frustration", "solution"}),
    ),
    Framework(
        name="Jobs to be Done",
        lesson="People hire a product to make progress in a situation they are in.",
        next_step="Finish the sentence: when …, I want to …, so that I can …",
        topics=frozenset({"job", "jobs", "need", "customer", "motivation", "progress"}),
    ),
    Framework(
        name="Mom Test",
        lesson="Ask about what people did, never about what they think they would do.",
        next_step="Talk to three people and ask only about the last time it happened.",
        topics=frozenset({"interview", "customer", "feedback", "talk", "validate"}),
    ),
    Framework(
        name="Lean Startup",
        lesson="Build the smallest thing that can prove you wrong, measure, learn.",
        next_step="Write down what you would have to see in two weeks to go on.",
        topics=frozenset({"mvp", "build", "measure", "experiment", "learn", "launch"}),
    ),
    Framework(
        name="Riskiest assumption test",
        lesson="Test first the one assumption that kills the venture if it is false.",
        next_step="Name that assumption and the cheapest way to see it fail.",
        topics=frozenset({"risk", "assumption", "test", "doubt", "validate"}),
    ),
    Framework(
        name="Lean canvas",
        lesson="Nine boxes on one page make the gaps of a business model visible.",
        next_step="Fill in problem, customer and unfair advantage; leave the rest.",
        topics=frozenset({"canvas", "plan", "model", "business", "overview"}),
    ),
    Framework(
        name="Unit economics",
        lesson="A venture lives when one customer brings in more than they cost.",
        next_step="Guess a price and what it costs to win and serve one customer.",
        topics=frozenset({"price", "money", "cost", "revenue", "pricing", "profit"}),
    ),
)


def find_framework(topic: str) -> Framework | None:
    """The framework named by, or closest to, a topic."""
    words = _WORD.findall(topic.casefold())
    wanted = " ".join(words)
    for framework in FRAMEWORKS:
        if framework.name.casefold() in wanted:
            return framework
    best = max(FRAMEWORKS, key=lambda item: len(item.topics.intersection(words)))
    return best if best.topics.intersection(words) else None
