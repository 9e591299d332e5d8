"""The crews in force: an immutable snapshot that is replaced as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

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
    """Holds the crews in force and why newer ones were refused."""

    def __init__(self, *, source: str, metrics: Metrics) -> None:
        self.source = source
        self.rejected: tuple[str, ...] = ()
        self._metrics = metrics
        self._in_force = CompiledSet()

    @property
    def in_force(self) -> CompiledSet:
        """The set that the next run uses."""
        return self._in_force

    def accept(self, compiled: CompiledSet) -> None:
        """Put a set in force; runs under way keep theirs."""
        is_changed = compiled != self._in_force
        self._in_force = compiled
        self.rejected = ()
        self._metrics.crews_rejected.set(0)
        self._metrics.crew_reloads.labels("accepted").inc()
        if is_changed:
            digests = {name: crew.digest for name, crew in compiled.crews.items()}
            _logger.info("crews in force", source=self.source, crews=digests)

    def reject(self, reasons: tuple[str, ...]) -> None:
        """Keep what is in force and tell why the newest set is not."""
        # A file's name may hold what is no text and no message can carry.
        reasons = tuple(
            reason.encode("utf-8", "backslashreplace").decode() for reason in reasons
        )
        self.rejected = reasons
        self._metrics.crews_rejected.set(len(reasons))
        self._metrics.crew_reloads.labels("rejected").inc()
        _logger.error("crews rejected", source=self.source, reasons=list(reasons))

    def pin(self, *, name: str, trigger: Trigger) -> PinnedCrew:
        """Choose by name, or else by trigger; raises CrewUnknownError."""
        crews = self._in_force.crews
        if name:
            if name not in crews:
                raise CrewUnknownError(f"no crew {name!r}; known: {_listed(crews)}")
            return PinnedCrew(crew=crews[name], live=self._in_force.live)
        for crew in crews.values():
            if trigger in crew.triggers:
                return PinnedCrew(crew=crew, live=self._in_force.live)
        raise CrewUnknownError(
            f"no crew answers {trigger.value}; add one to its triggers"
        )


def _listed(crews: Mapping[str, CompiledCrew]) -> str:
    return ", ".join(sorted(crews)) or "none"
