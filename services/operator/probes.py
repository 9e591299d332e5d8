"""Judging the replies to probes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from libs.crewspec.rollout import Expectation, Probe
from libs.crewspec.status import LastProbe
from services.operator.moments import moment
from services.operator.observed import ProbeOutcome
from services.operator.plan import ProbeToStart

__all__ = ["Trial", "lacking"]

_MAX_SHOWN: Final = 80
_MAX_MESSAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Trial:
    """The probes of one revision, with the outcomes since a moment that count."""

    digest: str
    probes: Sequence[Probe]
    outcomes: Mapping[str, ProbeOutcome]

    @classmethod
    def since(
        cls,
        digest: str,
        probes: Sequence[Probe],
        outcomes: Mapping[str, ProbeOutcome],
        began: datetime | None,
    ) -> "Trial":
        """Leave out the outcomes of earlier trials."""
        counting = {
            probe.name: outcomes[probe.name]
            for probe in probes
            if probe.name in outcomes
            and (began is None or outcomes[probe.name].finished_at >= began)
        }
        return cls(digest=digest, probes=probes, outcomes=counting)

    @property
    def missing(self) -> tuple[ProbeToStart, ...]:
        """The probes without an outcome."""
        return tuple(
            ProbeToStart(
                digest=self.digest,
                name=probe.name,
                message=probe.message,
                timeout_seconds=probe.timeout_seconds,
            )
            for probe in self.probes
            if probe.name not in self.outcomes
        )

    def result(self, *, asked_at: str = "") -> LastProbe:
        """Sum up a trial that is over: every probe has an outcome, and there is one."""
        failures = [
            f"{probe.name}: {problem}"
            for probe in self.probes
            if (problem := lacking(self.outcomes[probe.name], probe.expect))
        ]
        ended = max(outcome.finished_at for outcome in self.outcomes.values())
        return LastProbe(
            digest=self.digest,
            asked_at=asked_at,
            time=moment(ended),
            passed=len(self.probes) - len(failures),
            total=len(self.probes),
            message=failures[0][:_MAX_MESSAGE] if failures else "",
        )


def lacking(outcome: ProbeOutcome, expect: Expectation) -> str:
    """Tell the first thing that a reply lacks or should not have; empty for none.

    Letter case counts. Of the agents expected each must have taken part.
    """
    if outcome.error:
        return f"no reply: {outcome.error}"
    return next(_problems(outcome, expect), "")


def _problems(outcome: ProbeOutcome, expect: Expectation) -> Iterator[str]:
    length = len(outcome.text.strip())
    if length < expect.min_chars:
        yield f"has {length} characters, not {expect.min_chars}"
    for phrase in expect.contains:
        if phrase not in outcome.text:
            yield f"does not contain {phrase[:_MAX_SHOWN]!r}"
    for phrase in expect.not_contains:
        if phrase in outcome.text:
            yield f"contains {phrase[:_MAX_SHOWN]!r}"
    for agent in expect.agents:
        if agent not in outcome.agents:
            yield f"agent {agent!r} took no part"
