"""The crews in force: an immutable snapshot that is replaced as a whole."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from libs.crewspec.canary import is_for_candidate
from libs.crewspec.compiled import (
    CompiledCrew,
    LiveDocuments,
    PolicyDocument,
    Trigger,
)
from libs.crewspec.compiler import CompiledSet
from services.orchestrator.errors import CrewUnknownError
from services.orchestrator.metrics import Metrics

__all__ = ["CrewRegistry", "PinnedCrew"]

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PinnedCrew:
    """What one run keeps from its start to its end."""

    crew: CompiledCrew
    live: LiveDocuments

    @property
    def generations(self) -> Mapping[str, int]:
        """Generation of each live document the crew names, by `Kind/name`."""
        agents = self.crew.agents.values()
        models = {self.live.models[agent.model] for agent in agents}
        tools = {self.live.tools[name] for agent in agents for name in agent.tools}
        return {
            **{f"ModelProvider/{model.name}": model.generation for model in models},
            **{f"Tool/{tool.name}": tool.generation for tool in tools},
            **{
                f"GuardrailPolicy/{policy.name}": policy.generation
                for policy in self._policies()
            },
        }

    @property
    def run_timeout_seconds(self) -> int:
        """The strictest policy's bound."""
        policies = self._policies() or [PolicyDocument("", 0)]
        return min(policy.run_timeout_seconds for policy in policies)

    def _policies(self) -> list[PolicyDocument]:
        return [self.live.policies[name] for name in self.crew.policies]


class CrewRegistry:
    """Holds the crews in force and why newer ones were refused.

    `in_force_changed` is told every set that is put in force.
    """

    def __init__(
        self,
        *,
        source: str,
        metrics: Metrics,
        in_force_changed: Callable[[CompiledSet], None] = lambda _: None,
    ) -> None:
        self.source = source
        self.rejected: tuple[str, ...] = ()
        self._metrics = metrics
        self._in_force_changed = in_force_changed
        self._in_force = CompiledSet()
        self._answering = _Answering(CompiledSet())
        self._has_crews = asyncio.Event()
        metrics.tell_crew_source(source)

    @property
    def in_force(self) -> CompiledSet:
        """The set that the next run uses."""
        return self._in_force

    async def wait_for_crews(self) -> None:
        """Wait until there are crews to serve."""
        await self._has_crews.wait()

    def accept(
        self,
        compiled: CompiledSet,
        *,
        source: str | None = None,
        refused: tuple[str, ...] = (),
    ) -> None:
        """Put a set in force, perhaps from another source; runs keep theirs.

        `refused` tells what belongs to it and could not be put in force.
        """
        is_changed = compiled != self._in_force
        if source is not None and source != self.source:
            self.source, is_changed = source, True
        self._in_force = compiled
        self._answering = _Answering(compiled)
        self._metrics.tell_crew_source(self.source)
        self._metrics.tell_candidates(
            {crew: found.weight for crew, found in compiled.candidates.items()}
        )
        self._in_force_changed(compiled)
        if compiled.crews:
            self._has_crews.set()
        if is_changed:
            digests = {name: crew.digest for name, crew in compiled.crews.items()}
            _logger.info("crews in force", source=self.source, crews=digests)
        if refused:
            self.reject(refused)
            return
        self.rejected = ()
        self._metrics.crews_rejected.set(0)
        self._metrics.crew_reloads.labels("accepted").inc()

    def reject(self, reasons: tuple[str, ...]) -> None:
        """Keep what is in force and tell what of the newest set is not, and why."""
        # A file's name may hold what is no text and no message can carry.
        reasons = tuple(
            reason.encode("utf-8", "backslashreplace").decode() for reason in reasons
        )
        is_new, self.rejected = reasons != self.rejected, reasons
        self._metrics.crews_rejected.set(len(reasons))
        self._metrics.crew_reloads.labels("rejected").inc()
        if is_new:
            _logger.error("crews rejected", source=self.source, reasons=list(reasons))

    def pin(self, *, name: str, trigger: Trigger, session_id: str) -> PinnedCrew:
        """Choose by name, or else by trigger, then the session's revision of it.

        Raises CrewUnknownError. A crew without a trusted revision answers nobody.
        """
        in_force = self._in_force
        if name and name not in in_force.crews:
            raise CrewUnknownError(f"no crew {name!r}; known: {_listed(in_force)}")
        name = name or self._answering.crew_for(trigger, session_id)
        crew = self._answering.revision_for(name, session_id)
        return PinnedCrew(crew=crew, live=in_force.live)

    def revision(self, crew: str, digest: str) -> PinnedCrew | None:
        """Find a revision that is in force, trusted or not; None when it is not."""
        stable = self._in_force.crews.get(crew)
        candidate = self._in_force.candidates.get(crew)
        for found in (stable, candidate.crew if candidate else None):
            if found is not None and found.digest == digest:
                return PinnedCrew(crew=found, live=self._in_force.live)
        return None


class _Answering:
    """Which crew answers a trigger, and which revision of it a session gets.

    Crews at home come first: two namespaces may answer the same.
    """

    def __init__(self, compiled: CompiledSet) -> None:
        self._compiled = compiled
        self._answer: dict[Trigger, str] = {}
        self._may_answer: dict[Trigger, list[str]] = {}
        for name in sorted(compiled.crews, key=lambda name: ("/" in name, name)):
            for trigger in compiled.crews[name].triggers:
                self._answer.setdefault(trigger, name)
            candidate = compiled.candidates.get(name)
            for trigger in candidate.crew.triggers if candidate else ():
                self._may_answer.setdefault(trigger, []).append(name)

    def crew_for(self, trigger: Trigger, session_id: str) -> str:
        """Name the crew whose trusted revision answers, or else whose candidate does.

        Raises CrewUnknownError.
        """
        if trigger in self._answer:
            return self._answer[trigger]
        for name in self._may_answer.get(trigger, ()):
            if trigger in self.revision_for(name, session_id).triggers:
                return name
        raise CrewUnknownError(
            f"no crew answers {trigger.value}; add one to its triggers"
        )

    def revision_for(self, name: str, session_id: str) -> CompiledCrew:
        """Choose between the trusted revision of a crew and its candidate."""
        candidate = self._compiled.candidates.get(name)
        if candidate and is_for_candidate(session_id, name, candidate.weight):
            return candidate.crew
        return self._compiled.crews[name]


def _listed(in_force: CompiledSet) -> str:
    return ", ".join(sorted(in_force.crews)) or "none"
