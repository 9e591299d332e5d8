"""How a changed crew reaches its founders: no part of what it says or does.

These fields are for the operator; a laptop puts every change in force at once. None
of them is part of a revision, so that changing one makes no new revision.
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from libs.crewspec.schema import Name, Prompt, Schema

__all__ = ["Analysis", "CanaryStep", "Expectation", "Probe", "Rollout"]

Percent = Annotated[int, Field(strict=True, ge=0, le=100)]
Phrase = Annotated[str, Field(min_length=1, max_length=200)]


class Expectation(Schema):
    """What the reply to a probe must be like; letter case counts."""

    contains: Annotated[tuple[Phrase, ...], Field(max_length=20)] = ()
    """Texts that it holds, every one."""
    not_contains: Annotated[tuple[Phrase, ...], Field(max_length=20)] = ()
    """Texts that it does not hold, not one."""
    min_chars: Annotated[int, Field(strict=True, ge=0, le=16_000)] = 1
    """How long it is at least, in characters; 1 when nothing is said."""
    agents: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    """Agents that took part, by the names that the tasks use."""


class Probe(Schema):
    """A short conversation that a candidate must pass before a founder meets it."""

    name: Name
    """What it is called in the status; unique in the crew."""
    message: Annotated[Prompt, Field(max_length=8_000)] | None = None
    """What the founder says; without it the crew opens the session."""
    expect: Expectation = Expectation()
    """What the reply must be like; there must be one, when nothing is said."""
    timeout_seconds: Annotated[int, Field(strict=True, ge=1, le=600)] = 60
    """After which the probe has failed; 60 when nothing is said."""


class CanaryStep(Schema):
    """A share of the sessions, and for how long at least."""

    weight: Annotated[int, Field(strict=True, ge=1, le=100)]
    """The share of the sessions that get the candidate, in percent."""
    pause_seconds: Annotated[int, Field(strict=True, ge=0, le=86_400)] = 0
    """For how long it stays so at least; 0 when nothing is said. It goes on once the
    candidate has had `minTurns` turns in all."""
    require_approval: Annotated[bool, Field(strict=True)] = False
    """Stay until somebody approves, by the annotation `crew.venturebots.dev/approve`;
    turns are not waited for then."""


class Analysis(Schema):
    """When a candidate is worse than the stable revision.

    Errors are compared in points of percent, the 95th percentile of durations in
    percent of the stable revision's; nothing is concluded from fewer turns than
    `minTurns`.
    """

    min_turns: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 20
    """Turns of the candidate before it is judged; 20 when nothing is said. With a
    stable revision of fewer turns only errors are compared, as if it had none."""
    wait_for_turns: Annotated[bool, Field(strict=True)] = True
    """A step ends only after that many turns; true when nothing is said. Otherwise the
    end of its pause is enough, so that a change reaches a quiet place, too."""
    max_error_points: Percent = 5
    """How many points of percent more of its turns may fail; 5 when nothing is said."""
    max_p95_percent: Annotated[int, Field(strict=True, ge=100, le=10_000)] = 200
    """How long its slow turns (95th percentile) may take, in percent of the stable
    revision's; 200 when nothing is said."""


class Rollout(Schema):
    """Probes first, then a growing share of sessions, then all of them."""

    probes: Annotated[tuple[Probe, ...], Field(max_length=20)] = ()
    """Conversations that a candidate must pass before a founder meets it; tools with
    side effects are not called."""
    steps: Annotated[tuple[CanaryStep, ...], Field(max_length=10)] = ()
    """Growing shares of the sessions, the last of them 100. Without steps everybody
    gets a candidate that passed the probes; the first revision takes no steps."""
    analysis: Analysis = Analysis()
    """When a candidate counts as worse than the stable revision."""
    auto_rollback: Annotated[bool, Field(strict=True)] = True
    """Give up by itself a candidate that fails or is worse; true when nothing is
    said. Otherwise the roll-out stays where it is and says so."""
    progress_deadline_seconds: Annotated[int, Field(strict=True, ge=10, le=604_800)] = (
        600
    )
    """For how long nothing may move before the candidate has failed: pauses of steps,
    waiting for approval and for orchestrators left out. 600 when nothing is said."""
    min_ack_percent: Annotated[int, Field(strict=True, ge=1, le=100)] = 100
    """How many of the orchestrators, in percent, must have a revision before it goes
    on; 100 when nothing is said."""

    @model_validator(mode="after")
    def _steps_grow(self) -> Self:
        weights = [step.weight for step in self.steps]
        if weights != sorted(set(weights)):
            raise ValueError("the weights of steps must grow")
        if weights and weights[-1] != 100:  # noqa: PLR2004 - percent
            raise ValueError("the weight of the last step must be 100")
        names = [probe.name for probe in self.probes]
        if len(names) != len(set(names)):
            raise ValueError("two probes have one name")
        return self
